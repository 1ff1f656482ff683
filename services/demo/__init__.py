"""`make demo`: everything on this machine, on paper money, until Ctrl-C."""
