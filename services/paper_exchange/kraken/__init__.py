"""The Kraken front: authentication, counters, parameters, JSON shapes and error strings over the venue-neutral core."""
