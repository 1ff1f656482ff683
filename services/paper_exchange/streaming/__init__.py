"""What the streams of both venues share: which connections are open, and how their messages meet the armed faults."""
