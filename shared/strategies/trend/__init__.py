"""The default strategy: follows a trend on candles, with a stop under every entry. Pure. It promises no profit."""
