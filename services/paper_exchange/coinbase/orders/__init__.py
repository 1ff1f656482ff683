"""Coinbase's order methods: create, cancel, edit, preview, the order queries, fills."""
