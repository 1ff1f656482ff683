"""What is left after a run, and what it proves: read and judged with nothing of the product's own readers."""
