"""What Redis keeps of orders: their states, the books that they change, and people's verdicts."""
