"""Which causes become messages, and when. Pure: no I/O, no clock of its own."""
