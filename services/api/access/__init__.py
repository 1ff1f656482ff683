"""Who may see and do what: sign-in, sessions, forged requests, one-time links."""
