"""The settings of a process: environment, files, secrets."""
