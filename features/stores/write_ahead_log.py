"""SQLite's write-ahead log, copied into its database on a thread of its own.

Left to itself SQLite does that inside the commit that finds 1,000 pages waiting, which holds up one micro-batch in ten.
A passive checkpoint holds nobody up: writers go on appending, readers go on reading.
"""

import sqlite3
import threading
from pathlib import Path

INTERVAL_S = 1.0
# A commit copies the log itself only when it has grown this far beyond the thread: 64 MiB of pages.
BACKSTOP = "PRAGMA wal_autocheckpoint = 16000"


class Checkpoints:
    """Checkpoints the database at ``path`` every ``interval_s`` seconds until `close`; keeps no process alive."""

    def __init__(self, path: Path, interval_s: float = INTERVAL_S) -> None:
        self._path = path
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"checkpoints-{path.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait for a checkpoint under way."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while not self._stop.wait(self._interval_s):
            try:
                connection = connection or sqlite3.connect(self._path)
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error:
                continue  # whoever writes will meet the same trouble, and reports it; the backstop bounds the log
        if connection is not None:
            connection.close()
