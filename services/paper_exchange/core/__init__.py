"""The venue-neutral exchange: market, accounts, orders, matching, journal. It must never depend on a venue's names."""
