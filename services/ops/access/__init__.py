"""Commands about who may see and do what: people, followers, programs, and the services' own Redis users."""
