"""Fraud rings: the graph of past payments, what a network learns from it, and the score that comes of it."""
