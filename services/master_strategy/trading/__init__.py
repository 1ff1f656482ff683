"""The strategy's own orders: when one is due, and how it is carried to its end."""
