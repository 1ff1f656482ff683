"""What a user allows, and whether an order is within it."""
