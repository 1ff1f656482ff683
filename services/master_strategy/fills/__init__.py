"""From a fill on the master's account to a signal, or to the reason why it is not copied."""
