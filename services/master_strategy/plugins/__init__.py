"""Runs strategies, so that none of them can hold up fills, exits or the lease: strangers' code in a process that can be ended."""
