"""What a process is told from outside: environment, files, secrets; and how it logs."""
