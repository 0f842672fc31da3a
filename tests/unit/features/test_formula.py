"""A feature is one entry: its formula is chained into the fold behind the features that it uses."""

import numpy as np
import pytest

from features.catalogue import FEATURES, NAMES, column
from features.catalogue_formulas import FORMULAS
from features.feature import Feature
from features.formula import Past, Payment, chained, formula
from features.kernel_jit import jit
from features.store import ENTITIES

COLUMNS = {"base": 0, "double": 1, "sum": 2, "hours": 3}
PAYMENT = Payment(7_200_000_000, 10.0, np.zeros(1, np.int64), np.zeros(1))
PAST = Past(np.array([3_600_000_000]), 0, 1, 1)


def entry(name):
    return Feature(name, "card", "", 0.0, "Meaning.", "reason")


@formula(entry("double"), uses=("base",))
def double(payment, past, used):
    return 2.0 * used[0]


@formula(entry("sum"), uses=("double", "base"))
def total(payment, past, used):
    return used[0] + used[1] + payment.amount


@formula(entry("hours"))
def hours(payment, past, used):
    return (payment.time - past.words[past.begin]) / 3_600_000_000


@pytest.mark.parametrize("compiler", [lambda function: function, jit], ids=["python", "compiled"])
def test_formulas_fill_their_columns_in_order_and_may_use_one_another(compiler):
    row = np.array([4.0, np.nan, np.nan, np.nan])
    run = chained([double, total, hours], COLUMNS.__getitem__, compiler)
    call(run, compiler is jit, row)
    assert row.tolist() == [4.0, 8.0, 22.0, 1.0]


def call(run, compiled, row):
    if not compiled:
        run(PAYMENT, PAST, row)
        return
    import numba  # noqa: PLC0415 (only this case needs it)

    @numba.njit
    def outer(payment, past, row):
        run(payment, past, row)

    outer(PAYMENT, PAST, row)


def test_an_input_that_is_no_feature_is_refused_when_the_kernel_is_made():
    with pytest.raises(KeyError):
        chained([formula(entry("double"), uses=("no such feature",))(double.compute)], COLUMNS.__getitem__, jit)


def test_every_formula_is_in_the_catalogue_behind_what_it_uses():
    assert {each.feature.entity for each in FORMULAS} <= set(ENTITIES)
    for each in FORMULAS:
        assert FEATURES[column(each.feature.name)] is each.feature
        assert all(NAMES.index(name) < NAMES.index(each.feature.name) for name in each.uses)


def test_no_formula_of_one_entity_uses_another_entitys_features():
    """Entities are read one after the other: what comes later is not there yet."""
    for each in FORMULAS:
        for name in each.uses:
            assert FEATURES[column(name)].entity in ("request", each.feature.entity)
