"""Simulated payments: honest habits and fraud campaigns with late labels, the same bytes for the same seed."""

from streaming.simulator.ring_shape import CHAINS, RingShape
from streaming.simulator.scenario import CampaignMix, LabelDelay, Scenario
from streaming.simulator.simulation import Simulation, simulate

__all__ = ["CHAINS", "CampaignMix", "LabelDelay", "RingShape", "Scenario", "Simulation", "simulate"]
