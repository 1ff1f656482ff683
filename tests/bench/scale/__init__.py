"""How long pages and commands take with thousands of users: `python -m tests.bench.scale`."""
