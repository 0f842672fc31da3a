"""What the documentation names is there: commands and their options, files, metrics."""

import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from typer.main import get_command

from monitoring.metrics import Metrics
from services.cli.app import app
from tests.unit.docs.documents import DOCUMENTS, ROOT, blocks, in_backticks


def commands(text):
    """Return what follows ``ringfence`` in code, without comments."""
    lines = [line.split("#")[0] for block in blocks(text, "") for line in block.splitlines()]
    found = [re.match(r"(?:\.venv/bin/)?ringfence ([a-z].*)", code.strip()) for code in lines + in_backticks(text)]
    return [match[1].strip() for match in found if match]


def check_command(words):
    """Follow the words down to a command and look up its options; raise AssertionError for what it does not know."""
    command = get_command(app)
    words = words.split()
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not (hasattr(command, "commands") and words and not words[0].startswith("-")), f"no command {words[0]}"
    known = {option for parameter in command.params for option in parameter.opts}
    unknown = {word for word in words if word.startswith("--")} - known
    assert not unknown, f"{command.name} has no {unknown}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_option_is_there(document):
    for words in commands(document.read_text()):
        check_command(words)


def test_commands_are_found():
    found = commands("".join(document.read_text() for document in DOCUMENTS))
    assert {"features verify --json", "doctor", "demo --exit --json", "features"} <= set(found)
    assert len(found) > 30


@pytest.mark.parametrize("words", ["feature", "features verfy", "train --data x --spilt 2026-06-01", "serve scores"])
def test_a_command_that_is_not_there_is_noticed(words):
    with pytest.raises(AssertionError):
        check_command(words)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document):
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", document.read_text()):
        path = document.parent / target if target else document
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, anchor


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_module_that_is_named_is_there(document):
    for name in in_backticks(document.read_text()):
        if re.fullmatch(r"[\w/*]+\.py", name):
            assert any(list(folder.glob(name)) for folder in (ROOT, ROOT / "features")), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_metric_that_is_named_is_there(document):
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.degraded("features")
    exposed = generate_latest(registry).decode()
    for series in in_backticks(document.read_text()):
        if re.match(r"fraud_\w+_(total|seconds|info|messages)\b", series):
            assert f"\n{series}" in exposed or f"# TYPE {series} " in exposed, series
