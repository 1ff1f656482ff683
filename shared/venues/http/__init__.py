"""The HTTP client: one request at a time per connection, each with a deadline, none repeated."""
