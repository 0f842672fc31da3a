import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ConfigurationError
from models.policy import Costs, Policy, load_policy, save_policy

POLICY = Policy(review=0.1, decline=0.6, costs=Costs())


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(0.0, "approve"), (0.0999, "approve"), (0.1, "review"), (0.59, "review"), (0.6, "decline"), (1.0, "decline")],
)
def test_thresholds_include_their_own_value(score, verdict):
    assert POLICY.decide(score, 10.0) == verdict


@given(score=st.floats(0, 1), amount=st.floats(0.01, 1e9), stage=st.sampled_from(["features", "model", "ring"]))
def test_degraded_is_never_approved(score, amount, stage):
    assert POLICY.decide(score, amount, [stage]) != "approve"


def test_tolerated_stage_does_not_force_a_review():
    policy = msgspec.structs.replace(POLICY, tolerated=("ring",))
    assert policy.decide(0.01, 10, ["ring"]) == "approve"
    assert policy.decide(0.01, 10, ["ring", "features"]) == "review"


def test_missing_score_is_reviewed():
    assert POLICY.decide(math.nan, 10) == "review"


def test_large_amounts_are_reviewed_where_the_policy_says_so():
    policy = msgspec.structs.replace(POLICY, review_amount=5000.0)
    assert policy.decide(0.01, 4999) == "approve"
    assert policy.decide(0.01, 5000) == "review"


@pytest.mark.parametrize(("anomaly", "verdict"), [(0.999, "review"), (0.9989, "approve"), (None, "approve")])
def test_unusual_payments_are_reviewed_where_the_policy_says_so(anomaly, verdict):
    policy = msgspec.structs.replace(POLICY, anomaly_review=0.999)
    assert policy.decide(0.01, 10, anomaly=anomaly) == verdict
    assert policy.decide(0.7, 10, anomaly=anomaly) == "decline"
    assert POLICY.decide(0.01, 10, anomaly=anomaly) == "approve"


@given(low=st.floats(0, 1), high=st.floats(0, 1), amount=st.floats(0.01, 1e9))
def test_higher_scores_are_never_treated_more_kindly(low, high, amount):
    severity = ["approve", "review", "decline"]
    low, high = sorted((low, high))
    assert severity.index(POLICY.decide(low, amount)) <= severity.index(POLICY.decide(high, amount))


def test_survives_the_file(tmp_path):
    path = tmp_path / "policies" / "policy.json"
    save_policy(path, POLICY)
    assert load_policy(path) == POLICY
    assert load_policy(path).version == POLICY.version
    assert [entry.name for entry in path.parent.iterdir()] == ["policy.json"]


def test_version_tells_rules_apart():
    stricter = msgspec.structs.replace(POLICY, review=0.05)
    renumbered = msgspec.structs.replace(POLICY, number=2)
    assert stricter.version != POLICY.version
    assert renumbered.version == "2-" + POLICY.version.split("-")[1]
    assert msgspec.structs.replace(POLICY, anomaly_review=0.999).version != POLICY.version


def test_a_policy_file_of_before_the_anomaly_rule_keeps_its_version():
    assert POLICY.version == "1-6387be65"


@pytest.mark.parametrize(
    "values",
    [
        {"review": 0.7, "decline": 0.6},
        {"review": math.nan, "decline": 0.6},
        {"review": 0.1, "decline": math.nan},
        {"review": 0.0, "decline": 0.6},
        {"review": 0.1, "decline": 1.2},
        {"review": 0.1, "decline": 0.6, "review_amount": -1.0},
        {"review": 0.1, "decline": 0.6, "review_amount": math.nan},
        {"review": 0.1, "decline": 0.6, "anomaly_review": 0.0},
        {"review": 0.1, "decline": 0.6, "anomaly_review": 1.1},
        {"review": 0.1, "decline": 0.6, "anomaly_review": math.nan},
    ],
)
def test_nonsense_is_refused(values):
    with pytest.raises(ConfigurationError, match="must"):
        Policy(**values, costs=Costs())


@pytest.mark.parametrize("values", [{"review_cost": -1}, {"catch_rate": 1.5}, {"fraud_loss_share": math.nan}])
def test_nonsense_costs_are_refused(values):
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        Costs(**values)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"review": 0.1}',
        b'{"review": 0.7, "decline": 0.6, "costs": {}}',
        b'{"review": 0.1, "decline": 0.6, "costs": {"reveiw_cost": 3}}',
        b'{"format": 9, "review": 0.1, "decline": 0.6, "costs": {}}',
    ],
)
def test_broken_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "policy.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"policy\.json") as caught:
        load_policy(path)
    assert caught.value.remedy


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_policy(tmp_path / "policy.json")
