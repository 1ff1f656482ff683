"""What a user holds, has made and has paid, and how closely that follows the master. See README.md."""
