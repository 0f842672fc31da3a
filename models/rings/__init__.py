"""Fraud rings: communities of cards that share devices, addresses and receivers of money."""
