"""Snapshots of rings that come, change and are damaged while a process decides."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from features.transaction import Transaction
from services.rings.finding import find_and_save
from services.rings.watch import RingWatch
from services.state_directory import StateDirectory
from streaming.ring_stage import RingStage
from tests.unit.models.rings.payments import AT, history, ring_payments

LATER = AT + timedelta(days=1)


@pytest.fixture
def stage():
    stage = RingStage(timeout_s=10.0)
    yield stage
    stage.close()


@pytest.fixture
def state(tmp_path):
    state = StateDirectory(tmp_path)
    state.rings.mkdir(parents=True)
    return state


def find(state, at):
    return find_and_save(state, history(*ring_payments()), at, progress=lambda *_: None)


def touched(stage, now=LATER, **fields):
    asked = Transaction(
        transaction_id="t", event_time=now, card_id="new", merchant_id="shop", amount=1.0, currency="EUR", **fields
    )
    found = stage.touch([asked], now)
    return found if found is None else found[0]


def test_a_snapshot_is_taken_into_service_while_the_process_runs(state, stage):
    with RingWatch(state, stage, interval_s=0.005):
        assert touched(stage, device_id="dev") is None
        ring = find(state, AT).rings[0]
        while (touch := touched(stage, device_id="dev")) is None:
            pass
    assert (touch.ring.ring_id, touch.ring.ring_score) == (ring.ring_id, ring.score)


def test_an_old_snapshot_says_nothing_and_a_newer_one_does(state, stage):
    find(state, AT)
    watch = RingWatch(state, stage)
    watch.look()
    assert stage.touch([], AT + timedelta(days=3)) is None
    find(state, LATER)
    watch.look()
    assert stage.touch([], AT + timedelta(days=3)) == []


def test_a_damaged_snapshot_is_refused_and_the_one_before_stays(state, stage):
    find(state, AT)
    watch = RingWatch(state, stage)
    watch.look()
    find(state, LATER)
    newest = max(state.rings.glob("*.json"))
    newest.write_bytes(newest.read_bytes().replace(b"ring", b"king", 1))
    with capture_logs() as logs:
        watch.look()
        watch.look()
    assert [entry["log_level"] for entry in logs] == ["error"]  # told once
    assert touched(stage, device_id="dev") is not None


def test_without_one_before_a_damaged_snapshot_makes_decisions_say_so(state, stage):
    find(state, AT)
    only = max(state.rings.glob("*.json"))
    only.write_bytes(b"{}")
    RingWatch(state, stage).look()
    assert stage.touch([], AT) is None
