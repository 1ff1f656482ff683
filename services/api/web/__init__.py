"""The pages: what people see in a browser. See README.md."""
