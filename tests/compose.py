"""The project of docker-compose.yml as Compose itself resolves it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FILE, EXAMPLE = ROOT / "docker-compose.yml", ROOT / ".env.example"


def missing(what: str) -> None:
    """Skip for want of ``what``; under CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def resolved(**environment: str) -> dict[str, Any]:
    """Load the file with Compose's own loader; ``environment`` goes before what .env.example says."""
    loader = os.environ.get("COMPOSE_CHECK")
    if loader:
        command = [loader, "-env-file", str(EXAMPLE), str(FILE)]
    elif _docker_compose():
        command = ["docker", "compose", "--env-file", str(EXAMPLE), "-f", str(FILE), "config", "--format", "json"]
    else:
        missing("neither COMPOSE_CHECK nor `docker compose` is there to load docker-compose.yml")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    project: dict[str, Any] = json.loads(done.stdout)
    return project


def _docker_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
