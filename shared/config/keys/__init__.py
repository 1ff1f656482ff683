"""The keys of exchanges: where they are read from, sealed or not."""
