"""The doctor: checks configuration, state, model, stores and broker, and says how to mend what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.markup import escape

from features.errors import RingfenceError
from services.champion import champion, policy
from services.cli.options import JSON, STATE
from services.cli.output import out, print_json
from services.composition import Root
from services.settings import Settings
from services.state_directory import open_state
from streaming.broker import TOPICS


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome; ``detail`` is what was found or what is wrong and how to mend it."""

    check: str
    ok: bool
    detail: str


def doctor(state: STATE = None, as_json: JSON = False) -> None:
    """Check configuration, state directory, model bundle, feature store, ledger and broker."""
    findings = examine(state)
    if as_json:
        print_json({"healthy": all(f.ok for f in findings), "checks": findings})
    for finding in [] if as_json else findings:
        mark = "[green]ok  [/]" if finding.ok else "[bold red]FAIL[/]"
        out.print(f"{mark} {finding.check:<16} {escape(finding.detail)}", highlight=False, soft_wrap=True)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def examine(state: Path | None = None) -> list[Finding]:
    """Run every check; one that fails does not stop the next, unless there is no state directory at all."""
    findings: list[Finding] = []

    def check(name: str, look: Callable[[], str]) -> bool:
        try:
            findings.append(Finding(name, True, look()))
        except RingfenceError as error:
            findings.append(Finding(name, False, str(error)))
        return findings[-1].ok

    roots: list[Root] = []

    def open_root() -> str:
        settings = Settings()
        roots.append(Root(settings, open_state(state or settings.state, create=False)))
        return f"{roots[0].state.path} is ours and readable"

    if not check("state directory", open_root):
        return findings
    root = roots[0]
    check("model bundle", lambda: _bundle(root))
    check("policy", lambda: f"version {policy(root.state).version}")
    check("feature store", lambda: _store(root))
    check("ledger", lambda: _ledger(root))
    check("broker", lambda: _broker(root))
    return findings


def _bundle(root: Root) -> str:
    bundle = champion(root.state)
    bundle.smoke_test()
    companions = " and ".join(
        f"{'with' if companion else 'without'} {name}"
        for name, companion in (("anomaly score", bundle.anomaly), ("fallback", bundle.fallback))
    )
    return (
        f"{bundle.manifest.family} {bundle.version}, {len(bundle.feature_names)} features, {companions}, "
        "hashes and smoke test right"
    )


def _store(root: Root) -> str:
    store = root.feature_store()
    store.warm_up()
    store.close()
    return "Feast on Redis answers" if root.settings.redis_url else "Feast on SQLite answers"


def _ledger(root: Root) -> str:
    ledger = root.ledger()
    behind = sum(progress.last_seq - progress.checkpoint for progress in ledger.sources().values())
    detail = f"{ledger.count():,} decisions; {behind:,} events may not be in the feature states yet"
    ledger.close()
    return detail


def _broker(root: Root) -> str:
    broker = root.broker()
    found = broker.topics()
    broker.close()
    missing = [topic for topic in TOPICS if topic not in found]
    return f"{root.bootstrap} answers" + (f"; topics not created yet: {', '.join(missing)}" if missing else "")
