"""The one core that sends an order and follows it to a proven end, for the executor and the master."""
