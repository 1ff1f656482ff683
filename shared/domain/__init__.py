"""Pure values and rules of copy trading: no I/O, no clock, no Redis."""
