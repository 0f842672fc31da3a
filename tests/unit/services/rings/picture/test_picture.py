"""Pictures of rings: everything drawn is in its place, nothing lies upon anything else, no id breaks out."""

from itertools import combinations
from xml.etree import ElementTree

import pytest

from models.rings.communities.finding import find_rings
from services.rings.picture.layout import CARD_HEIGHT, MIDDLE_WIDTH, MOST_CARDS, MOST_ROWS, MOST_SHARED, laid_out
from services.rings.picture.page import MOST_ROWS as MOST_LINES
from services.rings.picture.page import page
from services.rings.picture.svg import picture
from services.rings.picture.words import counted, money, safe, short, span
from tests.unit.models.rings.payments import AT, START, history, paid, ring_payments
from tests.unit.services.rings.states import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"


def ring_of(*payments):
    [ring] = find_rings(history(*payments), AT)
    return ring


@pytest.fixture(scope="module")
def large():
    """Forty cards, twelve devices and as many addresses, all of one ring."""
    return ring_of(
        *(
            paid(f"card{n:02}", day, fraud=1, device_id=f"d{(n + day) % 12}", ip=f"i{(n * day) % 12}")
            for n in range(40)
            for day in range(1, 12)
        )
    )


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_members_times_and_legend_are_there():
    told = texts(picture(ring_of(*ring_payments()), AT))
    for words in ("a", "b", "c", "dev", "ip-dev", "2–7 Jan", "device", "receiver of money", "2 payments, 2 frauds"):  # noqa: RUF001
        assert words in told
    assert any("Lost EUR 60.00" in words for words in told)


@pytest.mark.parametrize("payments", [ring_payments(), ring_payments("abcdefghij")])
def test_boxes_do_not_lie_upon_each_other(payments):
    check_apart(laid_out(ring_of(*payments)))


def test_a_large_ring_is_cut_and_says_so(large):
    placed = laid_out(large)
    check_apart(placed)
    assert len(placed.cards) == MOST_CARDS
    assert len(placed.boxes) == 2 * MOST_SHARED
    assert placed.left_out == {"cards": 24, "shared": 8}
    assert all(len(box.rows) <= MOST_ROWS for box in placed.boxes)
    assert all(len(box.rows) + box.left_out == box.member.cards for box in placed.boxes)
    told = texts(picture(large, AT))
    assert "Not drawn, being less suspicious: 24 cards and 8 devices, addresses or receivers." in told


def check_apart(placed):
    areas = [(box.x, box.y, box.width, box.height) for box in placed.boxes]
    areas += [(card.x, card.y, MIDDLE_WIDTH, CARD_HEIGHT) for card in placed.cards]
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in combinations(areas, 2):
        assert x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 or y2 + h2 <= y1
    assert max(y + height for _, y, _, height in areas) <= placed.bottom


def test_every_line_ends_at_its_row_and_its_card(large):
    placed = laid_out(large)
    cards = {card.member.id: card for card in placed.cards}
    assert len(placed.lines) == sum(len(box.rows) for box in placed.boxes)
    for line in placed.lines:
        card = cards[line.edge.card_id]
        assert card.y < line.y2 < card.y + CARD_HEIGHT


def test_hostile_ids_stay_text():
    ring = ring_of(*ring_payments(cards=("a\x00\x1b", HOSTILE, "c"), device=HOSTILE))
    for document in (picture(ring, AT), page(ring, AT)):
        assert "<script" not in document
        assert "&lt;script&gt;" in document
        assert "\x00" not in document
    ElementTree.fromstring(picture(ring, AT))
    titles = [element.text for element in ElementTree.fromstring(picture(ring, AT)).iter(f"{SVG}title")]
    assert f"device {HOSTILE}" in titles


def test_the_page_has_the_picture_and_bounded_tables(large):
    document = page(large, AT)
    assert document.startswith("<!DOCTYPE html>")
    assert "<svg" in document
    assert "default-src 'none'" in document
    assert document.count("<tr>") <= 3 * (MOST_LINES + 1)
    assert f"{len(large.edges) - MOST_LINES:,} more rows left out" in document


def test_words():
    assert short("x" * 30) == "x" * 12 + "…" + "x" * 9
    assert safe("a\u202eb\x07") == "a\ufffdb\ufffd"
    assert (counted(1, "card"), counted(1_234, "card")) == ("1 card", "1,234 cards")
    assert (money({}), money({"EUR": 1234.5, "USD": 1.0})) == ("nothing", "EUR 1,234.50 + USD 1.00")
    assert span(None, None) == "own account"
    assert span(START, START.replace(hour=14, minute=5)) == "1 Jan, 00:00"
    assert span(START, START.replace(month=2)) == "1 Jan–1 Feb"  # noqa: RUF001
