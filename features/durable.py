"""Makes what was written last through a loss of power."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Return when a file's content is on disk; for a directory, the names in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
