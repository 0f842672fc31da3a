"""Makes the frames that users get out of rows of numbers."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features import table
from streaming.simulator import names, rows, sectors
from streaming.simulator.draws import Ints
from streaming.simulator.fraud import KINDS
from streaming.simulator.population import AGE_BANDS, GENDERS
from streaming.simulator.rows import Rows
from streaming.simulator.scenario import Scenario
from streaming.simulator.world import World


def transaction_ids(rng: np.random.Generator, count: int) -> names.Names:
    """Return unique ids in ascending order, such as ``txn_kqwz_000000001``; numbers follow event time only."""
    return names.tokens(f"txn_{names.scenario_tag(rng)}_", np.arange(1, count + 1), 9)


def transactions_frame(
    rng: np.random.Generator,
    scenario: Scenario,
    world: World,
    made: Rows,
    *,
    ids: names.Names,
    is_fraud: NDArray[np.bool_],
    delay_ms: Ints,
) -> pd.DataFrame:
    """Return the canonical table (`features.table`) of ``made``, which is sorted by time."""
    directory, merchant = world.directory, made.merchant
    start_us = pd.Timestamp(scenario.start).value // 1000
    event_us = start_us + made.time * 1000
    columns = {
        "transaction_id": ids,
        "event_time": _utc(event_us),
        "card_id": names.categorical(made.card, names.tokens("card_", _numbers(world.population.card_owner.size))),
        "merchant_id": names.categorical(merchant, names.tokens("mer_", _numbers(len(directory)), 6)),
        "amount": made.cents / 100,
        "currency": names.categorical(np.zeros(len(made), dtype=np.int8), [scenario.currency]),
        "mcc": names.categorical(directory.sector[merchant], [sector.mcc for sector in sectors.SECTORS]),
        "customer_id": names.categorical(made.customer, names.tokens("cus_", _numbers(len(world.population)))),
        "counterparty_id": names.shuffled(rng, made.counterparty, "acct_"),
        "device_id": names.shuffled(rng, made.device, "dev_"),
        "ip": names.shuffled_addresses(rng, made.ip),
        "country": names.categorical(directory.country[merchant], world.places.countries),
        "channel": names.categorical(made.channel, rows.CHANNELS),
        "entry_mode": names.categorical(made.entry, rows.ENTRY_MODES),
        "latitude": directory.latitude[merchant],
        "longitude": directory.longitude[merchant],
        "is_fraud": pd.array(is_fraud.astype(np.int8), dtype="Int8"),
        "label_time": _utc(event_us + delay_ms * 1000),
    }
    return pd.DataFrame(columns, columns=list(table.COLUMNS), copy=False)


def truth_frame(ids: names.Names, kind: Ints, campaign: Ints, ring: Ints) -> pd.DataFrame:
    """Return what is behind each transaction of a campaign: one row each, ``ring_id`` None where there is no ring."""
    ring_ids = names.tokens("ring_", ring + 1, 4)
    ring_ids[ring < 0] = None
    columns = {
        "transaction_id": ids,
        "campaign": np.array(KINDS, dtype=object)[kind],
        "campaign_id": names.tokens("cmp_", campaign + 1, 6),
        "ring_id": ring_ids,
    }
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})


def customers_frame(world: World) -> pd.DataFrame:
    """Return one row a customer; ``card_ids`` are joined by blanks, ``income`` is a year's in major units."""
    people, places = world.population, world.places
    cards = names.tokens("card_", _numbers(people.card_owner.size))
    ends = (people.first_card + people.card_count).tolist()
    return pd.DataFrame(
        {
            "customer_id": names.tokens("cus_", _numbers(len(people))),
            "card_ids": [" ".join(cards[a:b]) for a, b in zip(people.first_card.tolist(), ends, strict=True)],
            "household_id": names.tokens("hh_", people.household + 1),
            "home_city": np.array(places.names, dtype=object)[people.city],
            "home_country": np.array(places.countries, dtype=object)[places.country[people.city]],
            "home_latitude": people.latitude,
            "home_longitude": people.longitude,
            "income": people.income,
            "age_band": np.array(AGE_BANDS, dtype=object)[people.age_band],
            "gender": np.array(GENDERS, dtype=object)[people.gender],
        }
    )


def merchants_frame(world: World) -> pd.DataFrame:
    """Return one row a merchant; ``city`` is None and coordinates are NaN where it sells at a distance only."""
    directory, places = world.directory, world.places
    city = np.array([*places.names, None], dtype=object)[directory.city]
    return pd.DataFrame(
        {
            "merchant_id": names.tokens("mer_", _numbers(len(directory)), 6),
            "mcc": np.array([sector.mcc for sector in sectors.SECTORS], dtype=object)[directory.sector],
            "category": np.array([sector.name for sector in sectors.SECTORS], dtype=object)[directory.sector],
            "country": np.array(places.countries, dtype=object)[directory.country],
            "city": city,
            "latitude": directory.latitude,
            "longitude": directory.longitude,
        }
    )


def _numbers(count: int) -> Ints:
    """Return 1 to ``count``."""
    return np.arange(1, count + 1)


def _utc(microseconds: Ints) -> pd.Series:
    """Return UTC times with microseconds as their unit."""
    return pd.Series(microseconds.astype("datetime64[us]")).dt.tz_localize("UTC")
