"""The anomaly score beside a count by hand, and what becomes of damaged tables."""

import math

import msgspec
import numpy as np
import pytest

from features.errors import BundleError
from models.anomaly import STEP_BITS, STRONGEST, UNLIKE_TRAINING, anomaly_from_bytes
from models.companion_fitting import WATCHED, fit_anomaly
from models.fitting import Sample

NAMES = ("amount", *WATCHED[:5], "mcc")


def traffic(rows, seed=0):
    """Skewed amounts, counts with many ties, a constant and a column that is mostly missing."""
    random = np.random.default_rng(seed)
    features = random.lognormal(0, 1, (rows, len(NAMES))).astype(np.float32)
    features[:, 3] = random.poisson(0.3, rows)
    features[:, 4] = 0.0
    features[random.random(rows) < 0.7, 5] = np.nan
    return features


def genuine(features, weights=None):
    return Sample(features, np.zeros(len(features), bool), weights)


@pytest.fixture(scope="module")
def anomaly():
    return fit_anomaly(genuine(traffic(3000)), genuine(traffic(2000, seed=1)), NAMES)


def surprise(seen, value):
    """Bits of a value, in whole steps, counted one training payment at a time; at most one payment in all."""
    if math.isnan(value):
        return 0
    reach = sum(other >= value for other in seen.tolist())
    bits = -math.log2(reach / len(seen)) if reach else math.inf
    return int(min(bits, math.floor(math.log2(len(seen)) / STEP_BITS) * STEP_BITS) / STEP_BITS + 1e-9)


def by_hand(seen, row):
    surprises = sorted(surprise(seen[:, place], float(row[place])) for place in range(1, 6))
    return sum(surprises[-STRONGEST:])


def test_sums_the_strongest_surprises_as_counted_by_hand(anomaly):
    seen, rows = traffic(3000), traffic(200, seed=2)
    rows[0, 1:6], rows[1, 1:6] = 1e6, np.nan
    assert anomaly.steps(rows).tolist() == [by_hand(seen, row) for row in rows]
    assert anomaly.steps(rows[1:2]) == 0


def test_the_percentile_is_the_share_of_recent_genuine_payments_less_unusual(anomaly):
    later, rows = traffic(2000, seed=1), traffic(50, seed=2)
    rows[0, 1:6] = 1e6
    less = (anomaly.steps(later)[np.newaxis] < anomaly.steps(rows)[:, np.newaxis]).mean(axis=1)
    np.testing.assert_allclose(anomaly.percentile(rows), less, atol=1e-12)
    assert anomaly.percentile(rows)[0] == 1.0


def test_a_row_scores_the_same_alone_and_in_a_batch_and_ignores_what_is_not_watched(anomaly):
    rows = traffic(64, seed=3)
    alone = [anomaly.percentile(rows[place : place + 1])[0] for place in range(len(rows))]
    rows[:, [0, 6]] = 1e9
    assert anomaly.percentile(rows).tolist() == alone


def test_reasons_name_what_is_most_unusual(anomaly):
    row = np.zeros(len(NAMES), np.float32)
    row[2] = 1e6
    first, *others = anomaly.reasons(row)
    assert first.code == UNLIKE_TRAINING
    assert first.value == anomaly.percentile(row[np.newaxis])[0]
    assert others[0].code == NAMES[2].upper()
    assert others[0].value == 1e6
    assert others[0].attribution == surprise(traffic(3000)[:, 2], 1e6) * STEP_BITS
    assert all(reason.attribution > 0 for reason in others)


def test_weights_stand_for_repeated_rows():
    """Both parts hold more rows than any surprise needs, so that repeating them adds no steps."""
    seen, later = traffic(70_000), traffic(2000, seed=1)
    copies = np.where(seen[:, 1] > 1, 1, 4), np.where(later[:, 2] > 1, 1, 4)
    weighted = fit_anomaly(genuine(seen, copies[0] * 0.5), genuine(later, copies[1] * 0.5), NAMES)
    more = (np.repeat(part, times, axis=0) for part, times in zip((seen, later), copies, strict=True))
    repeated = fit_anomaly(*map(genuine, more), NAMES)
    assert weighted.tables.knots == repeated.tables.knots
    np.testing.assert_allclose(weighted.tables.less_unusual, repeated.tables.less_unusual, atol=1e-12)
    plain = fit_anomaly(genuine(seen), genuine(later), NAMES)
    assert plain.tables.knots != weighted.tables.knots


def test_frauds_do_not_count_as_usual():
    seen, later = genuine(traffic(3000)), traffic(2000, seed=1)
    frauds = np.zeros(2000, bool)
    frauds[:500] = True
    without = fit_anomaly(seen, Sample(later, frauds), NAMES)
    assert without.tables == fit_anomaly(seen, genuine(later[500:]), NAMES).tables


def test_knows_nothing_without_features_to_watch_or_payments_to_compare():
    assert (
        fit_anomaly(genuine(traffic(100)), genuine(traffic(100)), tuple(f"other_{i}" for i in range(len(NAMES))))
        is None
    )
    assert fit_anomaly(genuine(traffic(0)), genuine(traffic(100)), NAMES) is None
    assert fit_anomaly(genuine(traffic(100)), genuine(traffic(0)), NAMES) is None


def test_survives_its_file(anomaly):
    again = anomaly_from_bytes(msgspec.json.encode(anomaly.tables), "anomaly.json", NAMES)
    rows = traffic(500, seed=4)
    np.testing.assert_array_equal(again.steps(rows), anomaly.steps(rows))
    np.testing.assert_array_equal(again.percentile(rows), anomaly.percentile(rows))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": (*WATCHED[:4], "unheard_of")}, "does not fit the bundle's features: .*unheard_of"),
        ({"features": ()}, "does not fit"),
        ({"knots": [[1.0]]}, "does not fit"),
        ({"less_unusual": [0.0, 1.0]}, "not in order"),
    ],
)
def test_tables_that_do_not_fit_are_refused(anomaly, changes, message):
    content = msgspec.json.encode(msgspec.structs.replace(anomaly.tables, **changes))
    with pytest.raises(BundleError, match=message):
        anomaly_from_bytes(content, "anomaly.json", NAMES)


def test_knots_out_of_order_are_refused(anomaly):
    knots = [list(row) for row in anomaly.tables.knots]
    knots[0].reverse()
    content = msgspec.json.encode(msgspec.structs.replace(anomaly.tables, knots=knots))
    with pytest.raises(BundleError, match="not in order"):
        anomaly_from_bytes(content, "anomaly.json", NAMES)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"[]", b'{"features": []}'])
def test_anything_else_is_refused_by_name(content):
    with pytest.raises(BundleError, match=r"anomaly\.json cannot be read"):
        anomaly_from_bytes(content, "anomaly.json", NAMES)
