"""Promotion and rollback: what changes the champion."""

from features.errors import ConfigurationError, StateError
from models.gate_report import GateReport
from services.champion import bundle_of
from services.registry import Action, Registry, change_registry
from services.state_directory import StateDirectory
from streaming.scoring import utc_now


def promote(state: StateDirectory, report: GateReport, *, reason: str, force: bool = False) -> Registry:
    """Make the candidate of a gate report the champion; the report is kept in the registry's history.

    ``force`` overrides failed checks, but never a bundle's own: no process would serve it. Raises `StateError` when
    the report failed, or when the champion has become another than the one that it compares with.
    """
    broken = any(check.name == "bundle" and not check.passed for check in report.checks)
    if broken or not (report.passed or force):
        raise StateError(
            f"{report.candidate} did not pass the gate: {', '.join(report.failed)}.",
            remedy="Restore the bundle or train again." if broken else "Train a better model, or --force it.",
        )

    def change(before: Registry) -> Registry:
        if before.champion != report.champion:
            raise StateError(
                f"The champion has become {before.champion} since {report.candidate} was compared with "
                f"{report.champion}.",
                remedy="Promote again: the gate will compare with the new champion.",
            )
        action: Action = "promote" if report.passed else "force"
        return before.changed("champion", report.candidate, at=utc_now(), action=action, reason=reason, gate=report)

    return change_registry(state, change)


def roll_back(state: StateDirectory, *, to: str | None, reason: str) -> Registry:
    """Make an earlier champion the champion again: the one before the present one, or ``to``.

    There is no gate: it passed one, or was chosen knowingly, before. Its hashes and its smoke test are checked, so
    that what is rolled back to will be served.
    """

    def change(before: Registry) -> Registry:
        version = _earlier(before, to)
        bundle_of(state, version).smoke_test()
        return before.changed("champion", version, at=utc_now(), action="rollback", reason=reason)

    return change_registry(state, change)


def _earlier(registry: Registry, to: str | None) -> str:
    line = registry.champions
    if to is not None and to not in line[:-1]:
        raise ConfigurationError(
            f"{to} is not a champion of before.",
            remedy=f"Roll back to one of {', '.join(dict.fromkeys(line[:-1]))}, or promote it."
            if line[:-1]
            else "Promote it: there has been no other champion yet.",
        )
    if len(line) < 2:
        raise StateError("There is no earlier champion to go back to.", remedy="`ringfence model show champion`.")
    return to or line[-2]
