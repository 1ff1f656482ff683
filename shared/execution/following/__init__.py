"""How the end of an order is learned: from its stream, by asking again, by sending again, and when it is proved absent."""
