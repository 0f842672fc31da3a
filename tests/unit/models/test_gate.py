import numpy as np
import pytest

from models.comparison import Difference, SegmentDifference
from models.gate import Evidence, judge, segments_check
from models.gate_measured import latency_check, leakage_check
from models.gate_report import GateReport


def evidence(seed=0, *, rows=20_000, champion=1.5, candidate=3.0, sharpen=1.0, shift=0.0):
    """Calibrated scores of two models: each knows its share of what makes a payment fraudulent."""
    random = np.random.default_rng(seed)
    known, hidden = random.normal(size=(2, rows))
    cards = random.integers(0, rows // 4, rows)
    log_odds = -4.5 + candidate * known + 0.0 * hidden
    truth = random.random(rows) < 1 / (1 + np.exp(-log_odds))
    weaker = -4.5 + candidate * (known * champion + hidden) / np.hypot(champion, 1)
    score = [1 / (1 + np.exp(-values)) for values in (sharpen * log_odds + shift, weaker)]
    labels = np.where(random.random(rows) < 0.5, "left", "right")
    return Evidence(truth, cards, score[0], score[1], {"side": labels})


def by_name(found):
    return {check.name: check for check in found}


def failed(found):
    return [check.name for check in found if not check.passed]


def test_a_better_calibrated_model_passes():
    found = judge(evidence(), resamples=100)
    assert failed(found) == []
    assert list(by_name(found)) == ["evidence", "better", "calibration_slope", "calibration_error", "segments"]
    better = by_name(found)["better"]
    assert better.value > better.bound == 0
    assert f"{better.value:+.4f}" in better.sentence


def test_the_same_model_again_is_not_better_but_at_least_as_good():
    same = evidence()
    same = Evidence(same.truth, same.cards, same.candidate, same.candidate, same.segments)
    assert failed(judge(same, resamples=50)) == ["better"]
    assert failed(judge(same, resamples=50, margin=0.001)) == []


def test_a_worse_model_is_not_at_least_as_good():
    best = evidence()
    worse = Evidence(best.truth, best.cards, best.champion, best.candidate, best.segments)
    found = judge(worse, resamples=50, margin=0.02)
    assert {"at_least_as_good", "segments"} <= set(failed(found))
    assert by_name(found)["at_least_as_good"].bound == -0.02


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"sharpen": 1.5}, {"calibration_slope", "calibration_error"}),
        ({"sharpen": 0.7}, {"calibration_slope", "calibration_error"}),
        ({"shift": 0.7}, {"calibration_error"}),
    ],
)
def test_scores_that_do_not_mean_what_they_say_fail(options, names):
    assert set(failed(judge(evidence(**options), resamples=100))) == names


def test_too_few_frauds_are_no_evidence():
    assert "evidence" in failed(judge(evidence(rows=300), resamples=20))


def test_without_a_champion_the_checks_are_absolute():
    best = evidence()
    alone = Evidence(best.truth, best.cards, best.candidate, None, best.segments)
    found = judge(alone, resamples=50)
    assert failed(found) == []
    assert list(by_name(found)) == ["evidence", "better_than_chance", "calibration_slope", "calibration_error"]
    blind = Evidence(best.truth, best.cards, np.full(len(best.truth), best.truth.mean()), None, best.segments)
    assert "better_than_chance" in failed(judge(blind, resamples=50))


def segment(difference, high, *, fraud_cards=50, name="x"):
    recall = Difference(first=0.8, second=0.8 + difference, difference=difference, low=difference - 0.1, high=high)
    return SegmentDifference(
        dimension="country", segment=name, rows=500, frauds=60, fraud_cards=fraud_cards, recall=recall
    )


@pytest.mark.parametrize(
    ("found", "passes"),
    [
        ([segment(-0.06, -0.01)], False),
        ([segment(-0.04, -0.01)], True),  # certain, but within the bound
        ([segment(-0.06, 0.01)], True),  # beyond the bound, but it may be chance
        ([segment(-0.50, -0.40, fraud_cards=19)], True),  # too few to say
        ([segment(0.3, 0.4), segment(-0.06, -0.01)], False),
        ([], True),
    ],
)
def test_a_segment_is_harmed_by_a_large_certain_drop(found, passes):
    assert segments_check(found).passed is passes


def test_the_harmed_segment_is_named():
    check = segments_check([segment(-0.3, 0.2, name="unsure"), segment(-0.1, -0.02, name="harmed")])
    assert "'harmed'" in check.sentence
    assert check.value == pytest.approx(-0.1)


def test_latency_and_leakage_have_their_bounds():
    assert latency_check(1, 10.0, 10.0).passed
    assert not latency_check(64, 10.1, 10.0).passed
    assert leakage_check(100, 0, (), 5).passed
    assert not leakage_check(100, 1, ("amount",), 5).passed
    assert "amount" in leakage_check(100, 1, ("amount",), 5).sentence
    assert not leakage_check(100, 0, (), 0).passed  # a test that moves nothing shows nothing


def test_a_report_passes_when_all_checks_do():
    good, bad = latency_check(1, 1, 10), latency_check(64, 11, 10)
    assert GateReport(candidate="a", champion=None, data="x", checks=(good,)).passed
    report = GateReport(candidate="a", champion=None, data="x", checks=(good, bad))
    assert not report.passed
    assert report.failed == ["latency_64"]
