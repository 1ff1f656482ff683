"""The Kraken adapter. The facts about the venue that it relies on are in KRAKEN.md."""
