"""Commands about money: what users hold, what they have made, and how it compares with the master."""
