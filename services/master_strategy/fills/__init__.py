"""From a fill on the master's account to a signal, or to a reason why there is none."""
