"""Users who join late: decisions on positions that the master opened before they followed."""
