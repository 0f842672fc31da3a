"""Scorers, calibration, policy, model bundles and their evaluation."""
