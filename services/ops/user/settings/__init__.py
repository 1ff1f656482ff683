"""The settings of a user as text: shown, changed, restored, exported and imported, in files or in Redis."""
