"""Cities with coordinates and time zones: where customers live and travel and where terminals stand."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_KM = 6371.0088
MIN_ACTIVE = 6
# Name, ISO 3166-1 country, latitude and longitude in degrees, IANA zone, weight (share of residents and of trips).
_ROWS: tuple[tuple[str, str, float, float, str, float], ...] = (
    ("Berlin", "DE", 52.52, 13.405, "Europe/Berlin", 9),
    ("Paris", "FR", 48.857, 2.352, "Europe/Paris", 9),
    ("Madrid", "ES", 40.417, -3.704, "Europe/Madrid", 8),
    ("London", "GB", 51.507, -0.128, "Europe/London", 3),
    ("Milan", "IT", 45.464, 9.19, "Europe/Rome", 6),
    ("New York", "US", 40.713, -74.006, "America/New_York", 1.5),
    ("Amsterdam", "NL", 52.368, 4.904, "Europe/Amsterdam", 5),
    ("Hamburg", "DE", 53.551, 9.994, "Europe/Berlin", 5),
    ("Barcelona", "ES", 41.387, 2.17, "Europe/Madrid", 5),
    ("Lisbon", "PT", 38.722, -9.139, "Europe/Lisbon", 4),
    ("Istanbul", "TR", 41.008, 28.978, "Europe/Istanbul", 1.2),
    ("Rome", "IT", 41.903, 12.496, "Europe/Rome", 5),
    ("Vienna", "AT", 48.208, 16.373, "Europe/Vienna", 4),
    ("Brussels", "BE", 50.85, 4.352, "Europe/Brussels", 4),
    ("Munich", "DE", 48.137, 11.576, "Europe/Berlin", 4),
    ("Dublin", "IE", 53.35, -6.26, "Europe/Dublin", 3),
    ("Bangkok", "TH", 13.756, 100.502, "Asia/Bangkok", 0.5),
    ("Lyon", "FR", 45.764, 4.836, "Europe/Paris", 3),
    ("Warsaw", "PL", 52.23, 21.012, "Europe/Warsaw", 2),
    ("Rotterdam", "NL", 51.924, 4.478, "Europe/Amsterdam", 3),
    ("Athens", "GR", 37.984, 23.728, "Europe/Athens", 3),
    ("Dubai", "AE", 25.205, 55.271, "Asia/Dubai", 0.6),
    ("Stockholm", "SE", 59.329, 18.069, "Europe/Stockholm", 2),
    ("Marseille", "FR", 43.297, 5.37, "Europe/Paris", 3),
    ("Naples", "IT", 40.852, 14.268, "Europe/Rome", 3),
    ("Porto", "PT", 41.158, -8.629, "Europe/Lisbon", 2),
    ("Cologne", "DE", 50.937, 6.96, "Europe/Berlin", 3),
    ("Valencia", "ES", 39.47, -0.376, "Europe/Madrid", 3),
    ("Sao Paulo", "BR", -23.551, -46.633, "America/Sao_Paulo", 0.5),
    ("Prague", "CZ", 50.076, 14.438, "Europe/Prague", 2),
    ("Antwerp", "BE", 51.219, 4.402, "Europe/Brussels", 2),
    ("Graz", "AT", 47.071, 15.439, "Europe/Vienna", 1.5),
    ("Helsinki", "FI", 60.17, 24.938, "Europe/Helsinki", 2),
    ("Singapore", "SG", 1.352, 103.82, "Asia/Singapore", 0.5),
    ("Cork", "IE", 51.897, -8.47, "Europe/Dublin", 1),
    ("Toulouse", "FR", 43.604, 1.444, "Europe/Paris", 2),
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Places:
    """The cities in use. Arrays have one entry a city; ``distance_km`` is (cities, cities), great-circle."""

    names: tuple[str, ...]
    countries: tuple[str, ...]  # distinct country codes
    zones: tuple[str, ...]  # distinct time zones
    country: Ints  # index into countries
    zone: Ints  # index into zones
    latitude: Floats
    longitude: Floats
    weight: Floats  # sums to 1
    distance_km: Floats

    def __len__(self) -> int:
        return len(self.names)


def distance_km(lat1: Floats, lon1: Floats, lat2: Floats, lon2: Floats) -> Floats:
    """Great-circle distance in km between points in degrees (haversine formula); broadcasts."""
    phi1, phi2 = np.radians(lat1), np.radians(lat2)
    a = np.sin((phi2 - phi1) / 2) ** 2 + np.cos(phi1) * np.cos(phi2) * np.sin(np.radians(lon2 - lon1) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(a, 0.0, 1.0))), dtype=np.float64)


def active_places(merchants: int) -> Places:
    """Return as many cities as ``merchants`` merchants can populate (about 70 each), the first of the table."""
    rows = _ROWS[: min(len(_ROWS), max(MIN_ACTIVE, merchants // 70))]
    countries = tuple(dict.fromkeys(row[1] for row in rows))
    zones = tuple(dict.fromkeys(row[4] for row in rows))
    latitude = np.array([row[2] for row in rows])
    longitude = np.array([row[3] for row in rows])
    weight = np.array([row[5] for row in rows], dtype=np.float64)
    return Places(
        names=tuple(row[0] for row in rows),
        countries=countries,
        zones=zones,
        country=np.array([countries.index(row[1]) for row in rows]),
        zone=np.array([zones.index(row[4]) for row in rows]),
        latitude=latitude,
        longitude=longitude,
        weight=weight / weight.sum(),
        distance_km=distance_km(latitude[:, None], longitude[:, None], latitude[None, :], longitude[None, :]),
    )


def scatter(rng: np.random.Generator, places: Places, city: Ints, sigma_km: float) -> tuple[Floats, Floats]:
    """Return latitudes and longitudes (degrees, 5 decimals) around ``city``, normal with ``sigma_km`` a direction."""
    km_per_degree = np.pi * EARTH_RADIUS_KM / 180
    latitude = places.latitude[city] + rng.normal(0, sigma_km, city.size) / km_per_degree
    shrink = np.cos(np.radians(latitude))
    longitude = places.longitude[city] + rng.normal(0, sigma_km, city.size) / (km_per_degree * shrink)
    return np.round(latitude, 5), np.round(longitude, 5)
