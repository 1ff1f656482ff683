"""`make demo`: all services on this machine, on paper money, until Ctrl-C."""
