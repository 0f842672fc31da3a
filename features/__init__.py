"""Transactions, entities and the features computed from them: the lowest layer."""
