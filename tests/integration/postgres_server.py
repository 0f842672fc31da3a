"""A PostgreSQL server for tests: a temporary cluster on a free loopback port, gone when the block ends."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

_NOBODY_ELSE = ("postgres", "nobody")  # PostgreSQL refuses to run as root; these users exist for that


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `new_database` returns the URL of an empty database."""

    port: int

    def new_database(self, name: str) -> str:
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        return self._address(name).replace("postgresql://", "postgresql+psycopg://")

    def _address(self, database: str) -> str:
        return f"postgresql://tester@127.0.0.1:{self.port}/{database}"


def find_binaries() -> Path | None:
    """The newest installed server's programs, or None."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    on_path = shutil.which("pg_ctl")
    if on_path:
        candidates.append(Path(on_path).parent)
    return next((path for path in reversed(candidates) if (path / "initdb").exists()), None)


def demotion() -> dict[str, int]:
    """Whom to run the server as, where we are root."""
    if os.geteuid() != 0:
        return {}
    for name in _NOBODY_ELSE:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise RuntimeError("no unprivileged user to run PostgreSQL as")


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server and stop it at the end; skips without PostgreSQL, except under CI, where that is a failure."""
    binaries = find_binaries()
    if binaries is None:
        message = "PostgreSQL's server programs are not installed (apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with tempfile.TemporaryDirectory(prefix="ringfence-postgres-", ignore_cleanup_errors=True) as directory:
        user = demotion()
        if user:
            os.chown(directory, user["user"], user["group"])
        data = Path(directory) / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]

        def call(program: str, *arguments: str) -> None:
            done = subprocess.run(
                [str(binaries / program), "-D", str(data), *arguments],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
                extra_groups=[] if user else None,
                **user,
            )
            if done.returncode:
                raise RuntimeError(f"{program} failed: {done.stdout.decode(errors='replace')[-2000:]}")

        call("initdb", "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c shared_buffers=32MB"
        call("pg_ctl", "-w", "-l", str(Path(directory) / "log"), "-o", options, "start")
        try:
            yield PostgresServer(port)
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
