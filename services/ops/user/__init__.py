"""`ops user`: add, list, disable, enable, rename and remove users. One command per file; see the README beside it."""
