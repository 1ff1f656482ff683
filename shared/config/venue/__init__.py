"""How a venue is reached: addresses, proxies, the way out."""
