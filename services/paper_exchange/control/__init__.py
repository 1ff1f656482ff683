"""The control plane `/paper/*`: accounts, faults, control of the market, and the journal."""
