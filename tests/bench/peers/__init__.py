"""Other designs doing the same work, so that Shoal's figures can be read against something."""
