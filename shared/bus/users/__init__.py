"""What Redis holds of users beside their orders: settings, claims of keys, renamings, users without a file."""
