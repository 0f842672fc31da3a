import numpy as np
import pytest

from streaming.simulator import sectors
from streaming.simulator.directory import build_directory
from streaming.simulator.places import active_places


@pytest.mark.parametrize("merchants", [40, 2_000])
def test_a_pick_is_always_in_the_city_or_online(merchants: int) -> None:
    rng = np.random.default_rng(1)
    places = active_places(merchants)
    directory = build_directory(rng, places, merchants)
    assert len(directory) == merchants
    city = np.repeat(np.arange(len(places)), sectors.COUNT)
    sector = np.tile(np.arange(sectors.COUNT), len(places))
    assert (directory.city[directory.in_city(rng, city, sector)] == city).all()
    country = np.repeat(np.arange(len(places.countries)), sectors.COUNT)
    sector = np.tile(np.arange(sectors.COUNT), len(places.countries))
    sold = (sectors.ONLINE[sector] > 0) | (sector == sectors.TRANSFER)
    online = directory.online(rng, country[sold], sector[sold])
    assert (directory.city[online] == -1).all()
    assert (directory.sector[online] == sector[sold]).all()


def test_popular_merchants_are_picked_more_often() -> None:
    rng = np.random.default_rng(2)
    directory = build_directory(rng, active_places(400), 400)
    grocery = directory.in_city(rng, np.zeros(5000, dtype=np.int64), np.full(5000, sectors.GROCERY))
    counts = np.sort(np.bincount(grocery)[np.unique(grocery)])
    assert counts[-1] > 3 * counts[0]
