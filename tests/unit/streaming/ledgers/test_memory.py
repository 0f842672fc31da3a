from datetime import UTC, datetime

import pytest

from features.errors import LedgerUnavailable
from features.label import Label
from streaming.ledger import LedgerBatch
from streaming.ledgers.memory import MemoryLedger

LABEL = Label(transaction_id="tx-1", is_fraud=True, source="analyst", label_time=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_fault_fails_a_step_before_it_does_anything() -> None:
    failing: set[str] = {"commit"}

    def fault(step: str) -> None:
        if step in failing:
            raise LedgerUnavailable(f"no answer to {step}")

    ledger = MemoryLedger(fault)
    with pytest.raises(LedgerUnavailable, match="commit"):
        ledger.commit(LedgerBatch(labels=[LABEL]))
    assert ledger.labels(["tx-1"]) == {}
    failing.clear()
    ledger.commit(LedgerBatch(labels=[LABEL]))
    assert ledger.labels(["tx-1"])["tx-1"].labels == (LABEL,)


def test_a_fault_after_a_commit_loses_the_answer_but_not_the_batch() -> None:
    class CrashError(BaseException):
        pass

    def fault(step: str) -> None:
        if step == "commit.done":
            raise CrashError

    ledger = MemoryLedger(fault)
    with pytest.raises(CrashError):
        ledger.commit(LedgerBatch(labels=[LABEL]))
    assert "tx-1" in ledger.labels(["tx-1"])


def test_every_method_can_fail() -> None:
    steps: list[str] = []
    ledger = MemoryLedger(steps.append)
    ledger.find([])
    ledger.recent(1)
    ledger.commit(LedgerBatch())
    ledger.identity()
    ledger.sources()
    ledger.save_checkpoints([1])
    ledger.events_after(0, 1)
    ledger.pending_labels([0])
    ledger.refs([])
    ledger.import_history([])
    ledger.has_history()
    ledger.labels([])
    ledger.unforwarded(1)
    ledger.mark_forwarded([])
    ledger.count()
    ledger.close()
    public = {name for name in dir(MemoryLedger) if not name.startswith("_")} - {"close"}
    assert set(steps) == public | {"commit.done"}
