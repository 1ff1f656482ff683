"""The private streams of the users whom a process serves: who has one, and who is polled."""
