import math

import pytest

from features.catalogue import FEATURES, NAMES, column
from features.catalogue_labels import LABEL_WINDOWS
from features.catalogue_windows import STATISTICS, WINDOWS
from features.store import ENTITIES


def test_names_are_unique_and_say_their_entity():
    assert len(set(NAMES)) == len(FEATURES)
    for feature in FEATURES:
        assert feature.name == feature.name.lower()
        assert feature.entity in ("request", *ENTITIES)
        assert feature.dtype == "float32"


def test_texts_are_plain_lines():
    for feature in FEATURES:
        assert feature.meaning.endswith(".")
        assert "\n" not in feature.meaning + feature.reason
        assert 5 <= len(feature.reason) <= 80
        assert not feature.reason.endswith(".")


def test_request_only_features_are_those_without_entity():
    assert {feature.name for feature in FEATURES if feature.request_only} == {
        feature.name for feature in FEATURES if feature.entity == "request"
    }
    assert FEATURES[column("amount")].request_only
    assert not FEATURES[column("card_count_1h")].request_only


@pytest.mark.parametrize("entity", ["card", "merchant"])
def test_windowed_columns_follow_one_another_as_the_kernel_fills_them(entity):
    names = [f"{entity}_{statistic}_{window}" for window in WINDOWS for statistic in STATISTICS]
    first = column(names[0])
    assert list(NAMES[first : first + len(names)]) == names


@pytest.mark.parametrize("entity", ENTITIES)
def test_label_columns_follow_one_another_as_the_kernel_fills_them(entity):
    for family in ("labelled", "fraud_rate"):
        first = column(f"{entity}_{family}_24h")
        assert [column(f"{entity}_{family}_{window}") for window in LABEL_WINDOWS] == [first, first + 1, first + 2]
    assert column(f"{entity}_fraud_share_last_10") == column(f"{entity}_fraud_share_last_3") + 2


def test_an_unknown_name_is_a_key_error():
    with pytest.raises(KeyError):
        column("nonsense")
    assert math.isnan(FEATURES[column("speed_kmh")].default)
