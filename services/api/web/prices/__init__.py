"""The page of prices: samples kept in memory, and the fills of the master and of a user among them."""
