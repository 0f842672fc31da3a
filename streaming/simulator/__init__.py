"""Simulated payments: honest habits and fraud campaigns with late labels, the same bytes for the same seed."""

from streaming.simulator.scenario import CampaignMix, LabelDelay, Scenario
from streaming.simulator.simulation import Simulation, simulate

__all__ = ["CampaignMix", "LabelDelay", "Scenario", "Simulation", "simulate"]
