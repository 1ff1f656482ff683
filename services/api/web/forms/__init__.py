"""Forms: what an action needs to know, and the confirmation that says what it would do."""
