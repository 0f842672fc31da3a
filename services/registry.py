"""The model registry: which version is champion, which is challenger, and every change of that.

One file, ``registry.json``, is the truth. It is replaced in one step, under a lock, once everything it points to is on
disk: a reader sees it before or after a change, a crash leaves one or the other, and changes made at once follow each
other. Bundles and policies stay where they are, so going back is one replacement as well.
"""

import fcntl
import getpass
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

import msgspec

from features.durable import replace_file
from features.errors import StateError
from models.gate_report import GateReport
from services.state_directory import StateDirectory

FORMAT = 1
_REMEDY = (
    "Restore it from a backup. Without one, delete it: `ringfence model list` shows the versions that are there, and "
    "`ringfence model promote` makes one of them the champion."
)

Alias = Literal["champion", "challenger"]
Action = Literal["install", "promote", "force", "rollback", "adopt"]


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of an alias: when, by whom, what to, and why; ``gate`` is what the gate found, where it was asked."""

    at: datetime
    by: str
    action: Action
    alias: Alias
    before: str | None
    after: str
    reason: str
    gate: GateReport | None = None


class Registry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``registry.json``; ``history`` begins with the oldest change."""

    format: int = FORMAT
    champion: str | None = None
    challenger: str | None = None
    history: tuple[Change, ...] = ()

    def changed(
        self, alias: Alias, version: str, *, at: datetime, action: Action, reason: str, gate: GateReport | None = None
    ) -> "Registry":
        """Return the registry with ``alias`` naming ``version``; whoever becomes champion is challenger no longer."""
        change = Change(
            at=at,
            by=operator(),
            action=action,
            alias=alias,
            before=getattr(self, alias),
            after=version,
            reason=reason,
            gate=gate,
        )
        after = msgspec.structs.replace(self, history=(*self.history, change), **{alias: version})
        return msgspec.structs.replace(after, challenger=None) if after.challenger == after.champion else after

    @property
    def champions(self) -> list[str]:
        """The champions that a rollback can go back through, the present one last.

        A rollback takes away what came after the version it went back to: rolling back twice goes back twice.
        """
        line: list[str] = []
        for change in self.history:
            if change.alias == "champion":
                if change.action == "rollback" and change.after in line:
                    del line[len(line) - line[::-1].index(change.after) :]
                else:
                    line.append(change.after)
        return line


def read_registry(state: StateDirectory) -> Registry:
    """Return the registry, empty where nothing was installed yet; raises `StateError` for a damaged one."""
    if not state.registry.exists():
        _adopt(state)
    return _read(state)


def _read(state: StateDirectory) -> Registry:
    try:
        content = state.registry.read_bytes()
    except FileNotFoundError:
        return Registry()
    except OSError as error:
        raise StateError(f"{state.registry} cannot be read: {error.strerror}.", remedy=_REMEDY) from error
    try:
        registry = msgspec.json.decode(content, type=Registry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError(f"{state.registry} is damaged: {error}.", remedy=_REMEDY) from error
    if registry.format != FORMAT:
        raise StateError(
            f"{state.registry} has format {registry.format}; this version reads format {FORMAT}.",
            remedy="Use the version of Ringfence that wrote it.",
        )
    return registry


def change_registry(state: StateDirectory, change: Callable[[Registry], Registry]) -> Registry:
    """Replace the registry by what ``change`` makes of it and return that; one change at a time, in any process."""
    read_registry(state)
    with locked(state):
        before = _read(state)
        after = change(before)
        if after != before:
            _write(state, after)
        return after


@contextmanager
def locked(state: StateDirectory) -> Iterator[None]:
    """Keep everybody else from changing bundles and registry; the system lets go of the lock of a process that dies."""
    try:
        descriptor = os.open(state.path / ".registry.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StateError(
            f"The registry in {state.path} cannot be changed: {error.strerror}.",
            remedy="Make the state directory writable for this user.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _adopt(state: StateDirectory) -> None:
    """Take over from versions without a registry: a file named the champion, and one policy applied to any."""
    pointer, policy = state.bundles / "champion", state.path / "policy.json"
    if not pointer.is_file():
        return
    with locked(state):
        if state.registry.exists() or not pointer.is_file():
            return
        version = pointer.read_text().strip()
        if policy.is_file():
            replace_file(state.policies / f"{version}.json", policy.read_bytes())
        reason = "champion before there was a registry"
        registry = Registry().changed("champion", version, at=datetime.now(UTC), action="adopt", reason=reason)
        _write(state, registry)
        pointer.unlink()
        policy.unlink(missing_ok=True)


def _write(state: StateDirectory, registry: Registry) -> None:
    replace_file(state.registry, msgspec.json.format(msgspec.json.encode(registry), indent=2) + b"\n")


def operator() -> str:
    """Return who runs this process, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
