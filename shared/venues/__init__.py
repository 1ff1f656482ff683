"""The only package that sends requests to an exchange."""
