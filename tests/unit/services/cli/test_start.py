"""What every command pays at its start, and what the worker's process must not inherit."""

import os
import subprocess
import sys

HEAVY = {"feast", "torch", "igraph", "mlflow", "matplotlib", "optuna"}
CHECK = f"""
import os, sys
import services.cli.app, services.processes
print(sorted({HEAVY!r} & sys.modules.keys()), [name for name in os.environ if name.startswith("PROMETHEUS")])
"""


def test_a_command_starts_without_heavy_libraries_and_leaves_the_environment_alone():
    """Importing Feast takes seconds, and turns every metric of the process into a file."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROMETHEUS")}
    found = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.strip() == "[] []"
