"""The strategy's own orders: when one is due, and how it is sent and ended."""
