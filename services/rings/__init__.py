"""Fraud rings as a person meets them: found, served, drawn, and what the network needs to be trained and kept."""
