"""The pages under load and over hours: `python -m tests.web.load` measures them with real processes and a real browser."""
