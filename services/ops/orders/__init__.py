"""Commands about signals, orders and their outcomes, and about those without one."""
