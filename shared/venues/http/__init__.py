"""One HTTP request at a time over connections of our own, with deadlines, repeating nothing."""
