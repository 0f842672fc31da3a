"""Implementations of the feature store's seam: in memory, and Feast on SQLite or Redis."""
