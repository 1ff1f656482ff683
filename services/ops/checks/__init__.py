"""Commands that compare what is recorded with what should be; they exit with 1 if something is wrong."""
