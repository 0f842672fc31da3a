import numpy as np

from features.catalogue import NAMES, column
from features.parity import EXAMPLES, Comparison, differs

ROWS = np.arange(8)
IDS = [f"t{row}" for row in ROWS]


def matrix():
    return np.arange(len(ROWS) * len(NAMES), dtype=np.float32).reshape(len(ROWS), len(NAMES))


def test_bits_are_compared_and_nan_equals_nan():
    quiet, other = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    one = np.array([[1.0, 0.0, quiet, quiet, 1.0]], np.float32)
    two = np.array([[np.nextafter(np.float32(1), np.float32(2)), -0.0, other, 1.0, 1.0]], np.float32)
    assert differs(one, two).tolist() == [[True, True, False, True, False]]


def test_equal_features_give_a_clean_report():
    comparison = Comparison(IDS, matrix())
    comparison.add(ROWS[:3], matrix()[:3])
    comparison.add(ROWS[3:], matrix()[3:])
    report = comparison.report()
    assert (report.transactions, report.features) == (len(ROWS), len(NAMES))
    assert (report.differing, report.values_differing, report.explained, report.unexplained) == (0, 0, 0, 0)
    assert report.differing_features == report.differing_windows == {}


def test_every_difference_is_counted_by_feature_and_window_and_explained_or_not():
    live, explained = matrix(), np.zeros((len(ROWS), len(NAMES)), np.bool_)
    live[2:4, column("card_sum_24h")] += 1
    live[3, column("card_max_24h")] = np.nan
    explained[2, :] = True
    comparison = Comparison(IDS, matrix(), explained)
    comparison.add(ROWS[::-1], live[::-1])
    report = comparison.report(late=1)
    assert report.differing_features == {"card_sum_24h": 2, "card_max_24h": 1}
    assert report.differing_windows == {"card 24h": 3}
    assert (report.differing, report.values_differing, report.explained, report.unexplained) == (2, 3, 1, 2)
    assert report.unexplained_features == {"card_sum_24h": 1, "card_max_24h": 1}
    assert {(e.transaction_id, e.feature) for e in report.unexplained_examples} == {
        ("t3", "card_sum_24h"),
        ("t3", "card_max_24h"),
    }
    assert report.late == 1


def test_only_some_examples_are_kept():
    comparison = Comparison(IDS, matrix())
    comparison.add(ROWS[:4], matrix()[:4] + 1)
    comparison.add(ROWS[4:], matrix()[4:] + 1)
    report = comparison.report()
    assert report.unexplained == len(ROWS) * len(NAMES)
    assert len(report.unexplained_examples) == EXAMPLES
