"""Rings as communities of cards in what they share that is suspicious."""
