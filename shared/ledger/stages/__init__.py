"""The canary ladder as it is recorded: where users stand, the steps that were made, and what their trades showed."""
