"""Chaos: real processes that are killed, frozen and lied to while signals flow, and a check that nothing was lost or doubled."""
