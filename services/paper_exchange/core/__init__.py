"""The venue-neutral exchange: market, accounts, orders, matching, journal. It must never know how a venue spells anything."""
