"""The guide to features says what the code does: its numbers, its names and its worked example."""

import re
from typing import get_args

import numba
import numpy as np
import pytest

from features import backfill, catalogue_formulas, fingerprint, lateness, parity
from features import state_layout as layout
from features.catalogue import NAMES
from features.catalogue_labels import PRIOR_RATE, PRIOR_WEIGHT, STREAKS
from features.catalogue_request import JUST_UNDER, SMALL_AMOUNT
from features.catalogue_windows import WINDOWS
from features.encode import key_hash
from features.epoch import epoch_us
from features.flags import COLD, MISSING, MISSING_FIELDS, UNUSABLE
from features.formula import Formula, Past, Payment, chained
from features.history import KEY_COLUMNS
from features.kernel_jit import jit
from features.state import STATE_VERSION, DefectKind
from features.store import ENTITIES
from streaming.unusable_states import LIMIT, key_digest
from tests.unit.docs.documents import blocks, features_guide, in_backticks, table
from tests.unit.features.event_streams import Segment, stream, transactions_of
from tests.unit.features.feature_oracle import Seen, within

GUIDE = features_guide()
HOUR, DAY = layout.HOUR_US, layout.DAY_US
EXAMPLE = "card_merchant_count_1h"


def row_of(entity, code):
    """Return an entity's row: a state has a header always, and tiles only where it is full."""
    events, outcomes = layout.EVENT_LIMIT[code], layout.OUTCOME_LIMIT[code]
    header = layout.PREFIX + layout.PACKED_HEADER
    most = header + events * layout.EVENT_WORDS[code] + outcomes * layout.OUTCOME_WORDS
    most += layout.EVENT_TILE_WORDS + layout.OUTCOME_TILE_WORDS
    words = header + layout.EVENT_WORDS[code]
    return [entity, KEY_COLUMNS[entity], str(events), str(outcomes), str(8 * words), f"{8 * most:,}"]


def test_the_entities_are_those_of_the_code():
    assert table(GUIDE, "entity") == [row_of(entity, code) for code, entity in enumerate(ENTITIES)]


def test_the_numbers_are_those_of_the_code():
    assert {constant: value for _, value, constant in table(GUIDE, "number")} == {
        "state_layout.WINDOW_US": f"{layout.WINDOW_US[-1] // DAY} days",
        "state_layout.TILES": f"{layout.TILES}",
        "state_layout.RINGS": ", ".join(map(str, layout.RINGS)),
        "state_layout.ALLOWED_LATENESS_US": f"{layout.ALLOWED_LATENESS_US // HOUR} hours",
        "state_layout.HORIZON_US": f"{layout.HORIZON_US // DAY} days",
        "state_layout.KEPT": f"{layout.KEPT}",
        "state.STATE_VERSION": f"{STATE_VERSION}",
        "catalogue_labels.PRIOR_RATE": f"{PRIOR_RATE}",
        "catalogue_labels.PRIOR_WEIGHT": f"{PRIOR_WEIGHT:g}",
        "catalogue_labels.STREAKS": ", ".join(map(str, STREAKS)),
        "catalogue_request.SMALL_AMOUNT": f"{SMALL_AMOUNT:g}",
        "catalogue_request.JUST_UNDER": f"{JUST_UNDER * 100:g} %",
        "backfill.CHUNK": f"{backfill.CHUNK:,}",
    }


@pytest.mark.parametrize(
    "said",
    [
        f"{layout.TILES} to a window: {layout.WINDOW_US[0] / layout.TILES / (HOUR / 60):g} minutes wide for 1h",
        "1 hour for 24h, 7 hours for 7d, 30 hours for 30d",
        f"{layout.EVENT_LIMIT[layout.MERCHANT]} of a merchant, {layout.EVENT_LIMIT[layout.CARD]} of the others",
        f"is {layout.HORIZON_US // DAY} days older than its newest one, but keeps the last {layout.KEPT} ",
        f"(frauds + {PRIOR_WEIGHT:g} \u00d7 {PRIOR_RATE}) / (labels + {PRIOR_WEIGHT:g})",
        f"Without labels a rate is {PRIOR_RATE}.",
        f"`merchant_distinct_cards_24h` is at most {layout.EVENT_LIMIT[layout.MERCHANT]}.",
        f"one of the windows {', '.join(lateness._SPANS)} if it",
        f"a version above {STATE_VERSION},",
        f"{backfill.CHUNK:,} transactions and labels (`--chunk`)",
        f"about {round(sum(count for count, _ in fingerprint._SEGMENTS), -2):,} payments (`features/fingerprint.py`)",
        f"up to {LIMIT:,} of them, with its key as the first {len(key_digest(''))} digits of a sha-256",
        f"up to {['none', 'one', 'two', 'three', 'four', 'five'][parity.EXAMPLES]} examples",
    ],
)
def test_numbers_in_the_text_are_those_of_the_code(said):
    assert said in " ".join(GUIDE.split())


def test_the_flags_and_kinds_that_are_named_are_those_of_the_code():
    assert set(get_args(DefectKind)) <= set(in_backticks(GUIDE))
    flags = {prefix + entity for prefix in (COLD, UNUSABLE) for entity in ENTITIES}
    flags |= {MISSING + field for field in MISSING_FIELDS}
    named = {code for code in in_backticks(GUIDE) if re.fullmatch(r"(cold|missing|unusable):\w+", code)}
    assert {flag.split(":")[0] for flag in named} == {"cold", "missing", "unusable"}
    assert named <= flags


def test_tiles_are_as_wide_as_the_text_says():
    hours = dict(zip(WINDOWS, (span / layout.TILES / HOUR for span in layout.WINDOW_US), strict=True))
    assert hours == {"1h": 2.5 / 60, "24h": 1, "7d": 7, "30d": 30}
    assert layout.ALLOWED_LATENESS_US == layout.HORIZON_US - layout.WINDOW_US[-1] == DAY


def test_every_feature_that_is_named_is_there():
    others = {EXAMPLE, *KEY_COLUMNS.values(), *(f"{entity}_state" for entity in ENTITIES)}
    words = {word for code in in_backticks(GUIDE) for word in re.findall(r"\w+", code)}
    named = {word for word in words if word.startswith(tuple(f"{entity}_" for entity in ENTITIES))}
    named |= set(re.findall(r"transaction_features:(\w+)", GUIDE))
    assert len(named - others) > 5
    assert named - others <= set(NAMES)
    assert EXAMPLE not in NAMES
    for ending in re.findall(r"`…_(\w+)`", GUIDE):
        assert {f"{entity}_{ending}" for entity in ENTITIES} <= set(NAMES)


def example():
    """Execute the worked example among the names of the module that it is to be written into."""
    names = dict(vars(catalogue_formulas))
    (code,) = (block for block in blocks(GUIDE, "python") if block.lstrip().startswith("from features.state_layout"))
    exec(compile(code, "docs/features.md", "exec"), names)
    found = names[EXAMPLE]
    assert isinstance(found, Formula)
    assert found.feature.name == EXAMPLE
    return found


def definition():
    """Return the oracle's definition as the guide writes it: code of a dictionary's entry."""
    (code,) = (block for block in blocks(GUIDE, "python") if block.startswith(f'"{EXAMPLE}": '))
    return compile("{" + code + "}", "docs/features.md", "eval")


@pytest.mark.parametrize("compiled", [False, True], ids=["python", "compiled"])
def test_the_worked_example_computes_what_its_definition_says(compiled):
    segments = [Segment(60, "minutes"), Segment(40, "seconds"), Segment(5, "hour")]
    payments = transactions_of(stream(5, segments, entities=2, labels=0.0))
    run = chained([example()], [EXAMPLE].index, jit if compiled else lambda function: function)

    def fill(payment, past, row):
        run(payment, past, row)

    fill = numba.njit(fill) if compiled else fill
    remembered, values = [], []
    for arrival, payment in enumerate(payments):
        names = {"transaction": payment, "remembered": remembered, "time": payment.event_time, "within": within}
        values.append(eval(definition(), names)[EXAMPLE])
        words = np.array([word for seen in remembered for word in words_of(seen.transaction)], np.int64)
        integers = np.zeros(layout.INTEGERS, np.int64)
        integers[layout.I_MERCHANT] = key_hash(payment.merchant_id)
        row = np.full(1, np.nan)
        past = Past(words, 0, len(words), layout.EVENT_WORDS[layout.CARD])
        fill(Payment(epoch_us(payment.event_time), payment.amount, integers, np.zeros(layout.REALS)), past, row)
        assert row.tolist() == values[-1:]
        remembered.append(Seen(payment.event_time, arrival, payment))
    assert len(set(values)) > 5


def words_of(payment):
    """Return a card's remembered transaction as `features.state_layout` lays it out."""
    amount = np.float64(payment.amount).view(np.int64)
    return epoch_us(payment.event_time), int(amount), key_hash(payment.merchant_id) << layout.MERCHANT_SHIFT, 0


def test_an_amount_of_the_past_is_read_as_the_guide_says():
    """`features.kernel_tiles.real` is for compiled code only: a formula has to run as plain Python, too."""
    (code,) = (code for code in in_backticks(GUIDE) if "E_AMOUNT" in code)
    names = {"np": np, "E_AMOUNT": layout.E_AMOUNT}
    exec(f"def amount(past, at):\n    return {code}", names)
    past = Past(np.array([0, np.float64(12.5).view(np.int64), 0]), 0, 3, 3)
    assert names["amount"](past, 0) == numba.njit(names["amount"])(past, 0) == 12.5
