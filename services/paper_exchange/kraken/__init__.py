"""How Kraken spells it: authentication, counters, parameters, shapes and error strings over the venue-neutral core."""
