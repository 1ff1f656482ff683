"""The only package that sends commands to Redis."""
