"""Drills: one harm at a time, on purpose, while signals flow; then the conservation check. `make drill` plays them all."""
