"""Fraud rings: the graph of past payments, what a network learns from it, and the communities found in it."""
