"""From one signal to one decision per user, written to each order stream."""
