"""How long work tells how far it has come."""

from collections.abc import Callable

Progress = Callable[[int, int], None]  # is told what is done, and of how much
Step = Callable[[str], Progress]  # begins a step by its name
