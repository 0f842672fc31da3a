import pytest

from models.evaluate import Figures
from models.reliability import Bin, Line
from models.segment_figures import Segment
from services.model_card.limits import limits_of
from tests.unit.services.model_card.cards import DATA, END, START, VALUES, assessment


def said(**changes):
    return " ".join(limits_of(assessment(**changes), DATA))


def figures(**changes):
    return Figures(VALUES | changes, {})


CLEAN = {
    "figures": figures(n_fraud=5000),
    "bins": [Bin(100_000, 5000, 0.05, 0.05, 0.049, 0.051)],
    "end": END.replace(month=6),
    "idle": [],
    "weeks": assessment().weeks[:1],
    "campaigns": [],
    "segments": [Segment(kind, "x", 1, 1, 0.1, 0.1, 0.1, 1.0) for kind in ("channel", "country", "merchant category")],
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unseen": False}, "flatter the model"),
        ({"figures": figures(n_fraud=90)}, "90 frauds only"),
        ({"end": START.replace(day=15)}, "14 days long"),
        ({"unlabelled": 1234}, "1,234 transactions of the window have no label"),
        ({"currency": None}, "several currencies"),
        ({"segments": [Segment("channel", "moto", 100, 2)]}, "1 of 1 segments have too few frauds"),
        ({"segments": []}, "The data do not say: channel, country, merchant category"),
        ({"idle": ["device_count_1h"]}, "device_count_1h"),
        ({"figures": figures(n_fraud=100)}, "50.00 times the frauds"),
        ({"line": Line(0.6, 0.0)}, "too extreme"),
        ({"line": Line(1.4, 0.0)}, "too timid"),
        ({"weeks": assessment().weeks}, "1 of 2 weeks"),
        ({"campaigns": assessment().campaigns}, "Of 30 mule ring transactions only 20%"),
        ({"figures": figures(n_fraud=5000, money_saved=-1.0)}, "costs more than it saves"),
    ],
)
def test_a_limit_is_named_where_it_shows_and_only_there(changes, words):
    assert words in said(**(CLEAN | changes))
    assert words not in said(**CLEAN)


def test_what_always_holds_is_always_said():
    assert "450 labelled frauds" in said(**CLEAN)
    assert "declined in the past" in said(**CLEAN)
