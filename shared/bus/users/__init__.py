"""What Redis holds of users beside their orders: settings, keys, names, farewells."""
