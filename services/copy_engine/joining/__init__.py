"""Users that join late: decisions on signals that were emitted before they came."""
