"""The processes of Shoal: each is a folder, and none imports another."""
