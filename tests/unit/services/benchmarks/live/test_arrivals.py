"""Latency counts from when a payment was due, and nothing that happened is left out of the figures."""

import math

import pytest

from services.benchmarks.live.arrivals import Arrivals
from services.benchmarks.live.orders import Command


def run(total, rate=100.0, warm_up=0, late=lambda _: 0.01, skip=()):
    arrivals = Arrivals(start=1000.0, rate=rate, total=total, warm_up=warm_up)
    for number, due in enumerate(arrivals.due.tolist()):
        arrivals.was_sent(0.0)
        if number not in skip:
            arrivals.decision(number, "approve", False, due + late(number))
    return arrivals


def test_a_stall_counts_for_every_payment_that_was_due_meanwhile():
    # Everything due in the first second is answered at its end, as by a system that stood still for it.
    arrivals = Arrivals(start=0.0, rate=100.0, total=100)
    for number in range(100):
        arrivals.was_sent(0.0)
        arrivals.decision(number, "approve", False, 1.0)
    latency = arrivals.figures().latency_ms
    assert latency["p50"] == pytest.approx(505.0)
    assert latency["max"] == pytest.approx(1000.0)


def test_the_warm_up_is_in_no_figure_but_what_was_lost():
    arrivals = run(400, warm_up=200, late=lambda number: 5.0 if number < 200 else 0.01, skip={3, 300})
    arrivals.decision(0, "approve", False, 1100.0)
    figures = arrivals.figures()
    assert figures.latency_ms["max"] == pytest.approx(10.0)
    assert figures.verdicts["approve"] == 199
    assert (figures.sent, figures.lost, figures.duplicated) == (400, 2, 1)


def test_a_system_that_falls_behind_achieves_less_than_was_offered():
    assert run(1000).figures().achieved_per_s == pytest.approx(100.0, rel=0.01)
    halved = run(1000, late=lambda number: number / 100.0)
    assert halved.figures().achieved_per_s == pytest.approx(50.0, rel=0.01)
    assert halved.figures().flat_out_per_s == pytest.approx(50.0, rel=0.01)


def test_every_minute_has_its_own_percentiles():
    minutes = run(300, rate=2.0, late=lambda number: 0.1 * (1 + number // 120)).figures().per_minute
    assert [minute["p50"] for minute in minutes] == pytest.approx([100.0, 200.0, 300.0])


def test_degraded_and_verdicts_are_counted_once():
    arrivals = Arrivals(start=0.0, rate=10.0, total=3)
    for number, verdict in enumerate(("approve", "review", "review")):
        arrivals.was_sent(0.002)
        for _ in range(2):
            arrivals.decision(number, verdict, verdict == "review", 1.0)
    figures = arrivals.figures()
    assert figures.verdicts == {"approve": 1, "review": 2, "decline": 0}
    assert (figures.degraded, figures.duplicated, figures.sent_late_ms) == (2, 3, 2.0)


def test_a_run_without_any_answer_has_no_latency():
    figures = run(10, skip=set(range(10))).figures()
    assert set(figures.latency_ms.values()) == {None}
    assert (figures.lost, figures.achieved_per_s, figures.flat_out_per_s) == (10, 0.0, None)
    assert not any(math.isnan(value) for value in (figures.offered_per_s, figures.sent_late_ms))


def test_a_warm_up_begins_at_half_the_rate():
    arrivals = Command(rate=10.0, seconds=2.0, warm_up_s=6.0).arrivals(100.0)
    assert (len(arrivals.due), arrivals.warm_up) == (60, 40)
    assert arrivals.due[[0, 1, 20, 21, 40, 59]].tolist() == pytest.approx([100.0, 100.2, 104.0, 104.1, 106.0, 107.9])
