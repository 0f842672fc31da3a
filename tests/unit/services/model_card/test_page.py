"""The page needs nothing else, is read by everybody, and takes no name for markup."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from models.evaluate import Figures
from services.model_card.page import count, day, figure, page, percent
from services.model_card.plots import plots
from tests.unit.services.model_card.cards import END, VALUES, assessment, card

VOID = {"meta", "br", "img", "link", "input"}


class Reader(HTMLParser):
    """Collects elements, their attributes and the text; notes tags that do not close in order."""

    def __init__(self):
        super().__init__()
        self.elements, self.open, self.wrong, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    return reader


def made(one=None):
    one = one or card()
    return page(one, plots(one.assessment))


@pytest.fixture(scope="module")
def html():
    return made()


def test_it_needs_nothing_from_elsewhere(html):
    reader = read(html)
    tags = {tag for tag, _ in reader.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "img"}
    for _, attributes in reader.elements:
        for name in ("href", "src", "xlink:href"):
            assert attributes.get(name, "#").startswith("#"), attributes
        assert not [name for name in attributes if name.startswith("on")]
    outside = re.sub(r'xmlns(:\w+)?="[^"]*"', "", html)
    assert "http" not in outside
    assert "@import" not in html


def test_it_is_well_formed_and_every_reference_has_its_target(html):
    reader = read(html)
    assert (reader.wrong, reader.open) == ([], [])
    ids = Counter(attributes["id"] for _, attributes in reader.elements if "id" in attributes)
    assert [name for name, times in ids.items() if times > 1] == []
    for _, attributes in reader.elements:
        for name in ("href", "xlink:href"):
            if name in attributes:
                assert attributes[name][1:] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)


def test_plots_have_words_and_tables_have_headers(html):
    reader = read(html)
    drawn = [attributes for tag, attributes in reader.elements if tag == "svg"]
    assert len(drawn) == 4
    assert all(one["role"] == "img" and one["aria-labelledby"].endswith("-alt") for one in drawn)
    assert "average precision 0.610 at a fraud rate of 0.45%" in html
    counts = Counter(tag for tag, _ in reader.elements)
    assert counts["table"] == counts["caption"]
    assert all("scope" in attributes for tag, attributes in reader.elements if tag == "th")
    assert ("html", {"lang": "en"}) in reader.elements


def test_plots_take_the_colours_of_the_page(html):
    assert "var(--first)" in html
    svg = html[html.index("<svg") : html.rindex("</svg>")]
    assert not re.findall(r"(?:stroke|fill): #(?!ffffff)[0-9a-f]{6}", svg)
    assert "var(" not in plots(assessment())[0].svg


@pytest.mark.parametrize(
    "section", "Purpose|Data|How it was trained|Performance|By segment|Calibration|Stability|What it looks at|Limits|"
    "Fairness|Reproducibility".split("|"),
)  # fmt: skip
def test_every_section_is_there(html, section):
    assert re.search(f"<h2[^>]*>{section}", html)


def test_figures_are_shown_with_their_range(html):
    text = " ".join(" ".join(read(html).text).split())
    assert "0.549 to 0.671" in text
    assert "12,346" in text
    assert "too few frauds to judge" in text
    assert "sha256:" + "ab" * 32 in text


def test_names_are_never_markup():
    found = assessment(idle=["<script>alert(1)</script>"])
    evil = card(found, command="train --data '<img src=x onerror=alert(1)>'")
    html = made(evil)
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;img" in html


def test_it_says_so_when_the_window_was_seen():
    html = made(card(assessment(unseen=False)))
    assert "Not measured on unseen data" in html
    assert "unseen later window" not in html


def test_the_same_card_gives_the_same_page(html):
    assert made() == html


def test_without_resamples_there_is_no_range(html):
    bare = made(card(assessment(figures=Figures(VALUES, {}))))
    assert "0.549 to 0.671" in html
    assert "0.549" not in bare
    assert "0.610" in bare


def test_numbers_as_people_write_them():
    assert (percent(0.01234), percent(1.5, 0)) == ("1.2 %", "150 %")
    assert (figure(1234.5678), count(1234.0), day(END)) == ("1,234.568", "1,234", "15 March 2030")
