import numpy as np
import pytest

from streaming.simulator.places import active_places, distance_km, scatter


def test_distances_are_great_circles() -> None:
    paris, new_york = (48.857, 2.352), (40.713, -74.006)
    distance = distance_km(*(np.array(value) for value in (*paris, *new_york)))
    assert float(distance) == pytest.approx(5837, rel=0.005)


def test_more_merchants_bring_more_cities_in_several_countries() -> None:
    few, many = active_places(40), active_places(10_000)
    assert len(few) < len(many)
    assert len(few.countries) >= 4
    assert many.distance_km.max() > 10_000
    assert (np.diag(many.distance_km) == 0).all()


def test_scattered_points_stay_near_their_city() -> None:
    places = active_places(40)
    city = np.zeros(500, dtype=np.int64)
    latitude, longitude = scatter(np.random.default_rng(0), places, city, 5.0)
    away = distance_km(latitude, longitude, places.latitude[city], places.longitude[city])
    assert 4 < np.median(away) < 8
