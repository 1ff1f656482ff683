"""The control plane `/paper/*`: accounts, faults, the market's steering, and the journal that judges."""
