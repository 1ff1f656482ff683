"""The parts: what a period consists of, and the counterfactuals whose differences they are. Pure, without Redis."""
