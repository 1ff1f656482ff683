"""From records to books: which size an entry should have had, and which report belongs to which fill of the master. Pure."""
