"""Who may sign in, and by what: people with passwords, followers with one-time links, programs with tokens."""
