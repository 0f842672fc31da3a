import pytest

from features.errors import BundleError, ConfigurationError, StateError
from models.gate_report import Check, GateReport
from services.promotion import promote, roll_back
from services.registry import read_registry
from services.state_directory import open_state
from tests.unit.services.trained import install_editions


@pytest.fixture
def state(tmp_path):
    return open_state(tmp_path / "state")


def report(candidate, champion, *, passed=True, name="better"):
    check = Check(name=name, passed=passed, value=0.0, bound=0.0, sentence="A sentence.")
    return GateReport(candidate=candidate, champion=champion, data="x", checks=(check,))


def test_a_promotion_keeps_its_report_and_a_rollback_its_reason(state):
    first, second, third = install_editions(state, 3)
    promote(state, report(second, first), reason="passed")
    promote(state, report(third, second), reason="passed")
    assert roll_back(state, to=None, reason="false alarms").champion == second
    assert roll_back(state, to=None, reason="still").champion == first
    with pytest.raises(StateError, match="no earlier champion"):
        roll_back(state, to=None, reason="further")
    history = read_registry(state).history
    kinds = ["install", "install", "install", "promote", "promote", "rollback", "rollback"]
    assert [change.action for change in history] == kinds
    assert history[3].gate == report(second, first)
    assert history[-1].reason == "still"


def test_a_rollback_goes_to_a_champion_of_before_only_and_to_one_that_can_be_served(state):
    first, second, third = install_editions(state, 3)
    promote(state, report(second, first), reason="passed")
    with pytest.raises(ConfigurationError, match=f"{third} is not a champion of before"):
        roll_back(state, to=third, reason="around the gate")
    (state.bundles / first / "model.txt").write_text("garbage")
    with pytest.raises(BundleError, match="hash"):
        roll_back(state, to=first, reason="hurry")
    assert read_registry(state).champion == second


def test_a_failed_gate_needs_force_and_says_so_in_the_history(state):
    first, second = install_editions(state, 2)
    failed = report(second, first, passed=False)
    with pytest.raises(StateError, match="better"):
        promote(state, failed, reason="")
    assert read_registry(state).champion == first
    change = promote(state, failed, reason="the old one misses the new attack", force=True).history[-1]
    assert (change.action, change.reason) == ("force", "the old one misses the new attack")
    assert change.gate.failed == ["better"]


def test_a_report_against_another_champion_does_not_count(state):
    first, second, third = install_editions(state, 3)
    promote(state, report(second, first), reason="passed")
    with pytest.raises(StateError, match="has become"):
        promote(state, report(third, first), reason="passed")
    assert read_registry(state).champion == second
