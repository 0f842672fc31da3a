import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from features import durable
from features.errors import StateError
from services.registry import Registry, change_registry, read_registry
from services.state_directory import open_state

NOW = datetime(2029, 3, 1, tzinfo=UTC)


@pytest.fixture
def state(tmp_path):
    return open_state(tmp_path / "state")


def named(registry, version, action="promote", alias="champion"):
    return registry.changed(alias, version, at=NOW, action=action, reason="because")


def line_of(*steps):
    registry = Registry()
    for step in steps:
        version, action = (step[1:], "rollback") if step.startswith("<") else (step, "promote")
        registry = named(registry, version, action)
    return registry.champions


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ("", ""),
        ("a", "a"),
        ("a b c", "a b c"),
        ("a b c <b", "a b"),
        ("a b c <b <a", "a"),
        ("a b c <a", "a"),
        ("a b <a c", "a c"),
        ("a b a <b", "a b"),
        ("a b a c <a", "a b a"),
    ],
)
def test_a_rollback_takes_away_what_came_after(steps, line):
    assert line_of(*steps.split()) == line.split()


def test_every_change_says_who_when_what_and_why(state):
    change_registry(state, lambda before: named(before, "a", "install"))
    change_registry(state, lambda before: named(before, "b", "install", "challenger"))
    registry = change_registry(state, lambda before: named(before, "b"))
    assert (registry.champion, registry.challenger) == ("b", None)  # who is champion is challenger no longer
    assert [(c.alias, c.before, c.after, c.action) for c in registry.history] == [
        ("champion", None, "a", "install"),
        ("challenger", None, "b", "install"),
        ("champion", "a", "b", "promote"),
    ]
    last = registry.history[-1]
    assert (last.at, last.reason) == (NOW, "because")
    assert "@" in last.by
    assert read_registry(state) == registry


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_crash_while_writing_leaves_the_registry_as_it_was(state, monkeypatch, call):
    first = change_registry(state, lambda before: named(before, "a"))

    def crash(*_):
        raise Crash

    with monkeypatch.context() as patched:
        if call == "open":
            patched.setattr(durable.Path, "replace", crash)
        else:
            patched.setattr(os, "fsync", crash)
        with pytest.raises(Crash):
            change_registry(state, lambda before: named(before, "b"))
    assert read_registry(state) == first
    assert change_registry(state, lambda before: named(before, "b")).champion == "b"
    assert [path.name for path in state.path.iterdir() if path.name.endswith("registry.json")] == ["registry.json"]


def test_a_change_that_fails_changes_nothing(state):
    first = change_registry(state, lambda before: named(before, "a"))

    def refuse(before):
        raise StateError("no")

    with pytest.raises(StateError, match="no"):
        change_registry(state, refuse)
    assert read_registry(state) == first


CHANGER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from services.registry import change_registry
from services.state_directory import open_state
state = open_state(Path(sys.argv[1]))
for number in range(20):
    version = f"{sys.argv[2]}-{number}"
    change_registry(state, lambda before: before.changed(
        "champion", version, at=datetime.now(UTC), action="promote", reason=""))
"""


def test_processes_that_promote_at_once_follow_each_other(state):
    command = [sys.executable, "-c", CHANGER, str(state.path)]
    children = [
        subprocess.Popen([*command, name], env=os.environ | {"PYTHONPATH": str(Path.cwd())}) for name in ("one", "two")
    ]
    assert [child.wait(120) for child in children] == [0, 0]
    history = read_registry(state).history
    assert len(history) == 40
    assert [change.before for change in history] == [None, *(change.after for change in history[:-1])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (b'{"format":1,', "damaged"),
        (b'{"format":1,"champion":3}', "damaged"),
        (b'{"format":1,"winner":"a"}', "damaged"),
        (b'{"format":2}', "format 2"),
    ],
)
def test_a_damaged_registry_is_refused_and_left_alone(state, content, message):
    state.registry.write_bytes(content)
    for use in (read_registry, lambda state: change_registry(state, lambda before: named(before, "a"))):
        with pytest.raises(StateError, match=message) as refused:
            use(state)
        assert refused.value.remedy
    assert state.registry.read_bytes() == content


def test_a_state_directory_from_before_the_registry_is_taken_over(state):
    state.bundles.mkdir()
    (state.bundles / "champion").write_text("lightgbm-3f2a9c1b04de\n")
    (state.path / "policy.json").write_text('{"edited": "by hand"}')
    registry = read_registry(state)
    assert registry.champion == "lightgbm-3f2a9c1b04de"
    assert registry.history[0].action == "adopt"
    assert (state.policies / "lightgbm-3f2a9c1b04de.json").read_text() == '{"edited": "by hand"}'
    assert not (state.bundles / "champion").exists()
    assert not (state.path / "policy.json").exists()
    assert read_registry(state) == registry
