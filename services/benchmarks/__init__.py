"""Measurements on the machine at hand: what `ringfence benchmark` reports."""
