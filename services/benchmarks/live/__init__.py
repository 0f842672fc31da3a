"""Measurements of the running system: real processes, a real broker and store, and load that does not wait."""
