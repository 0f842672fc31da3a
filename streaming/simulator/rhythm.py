"""When people pay: hours of the local day, days of the week, seasons and paydays, as UTC milliseconds."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from streaming.simulator.draws import Floats, Ints, RowChoice

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
RHYTHMS = 4
_SHOP_HOURS = (
    # worker, evening person, shift worker, at home by day; hours 0 to 23
    (1, 0.5, 0.3, 0.2, 0.3, 1, 4, 10, 12, 8, 8, 11, 22, 18, 9, 10, 15, 30, 34, 26, 18, 12, 7, 3),
    (5, 3, 2, 1, 0.5, 0.5, 1, 3, 6, 8, 10, 14, 19, 18, 14, 15, 19, 26, 32, 34, 32, 27, 20, 11),
    (7, 5, 4, 4, 5, 9, 14, 13, 11, 12, 13, 14, 15, 15, 18, 18, 16, 16, 16, 15, 14, 14, 16, 11),
    (0.3, 0.1, 0.1, 0.1, 0.2, 0.6, 2, 8, 20, 34, 38, 34, 22, 15, 17, 22, 22, 17, 11, 6, 4, 2, 1, 0.5),
)
_WEEKEND_SHIFT_HOURS = 2  # at weekends, weekday hours come later and blend into the afternoon
_ONLINE_LAG_HOURS = 3  # purchases at a distance lean towards the evening
_WEEKDAY = (0.93, 0.92, 0.95, 1.0, 1.17, 1.23, 0.86)
_HOME_WEEKDAY = (1.1, 1.1, 1.1, 1.1, 1.05, 0.9, 0.65)
_MONTH = (0.90, 0.92, 0.97, 0.99, 1.01, 1.02, 1.03, 0.95, 0.99, 1.01, 1.09, 1.25)


def _hour_table() -> Floats:
    """Return weights of shape (rhythm x online x weekend, 24)."""
    rows = []
    for base in np.array(_SHOP_HOURS):
        for online in (False, True):
            day = 0.45 * base + 0.55 * np.roll(base, _ONLINE_LAG_HOURS) if online else base
            rows += [day, 0.4 * day + 0.6 * np.roll(day, _WEEKEND_SHIFT_HOURS)]
    return np.array(rows)


def _day_table(start: datetime, days: int) -> Floats:
    """Return weights of shape (rhythm, days): week, season and paydays."""
    dates = [start + timedelta(days=day) for day in range(days)]
    season = np.array([_MONTH[date.month - 1] * (1.1 if date.day in (1, 2, 26, 27, 28) else 1.0) for date in dates])
    weekday = np.array([date.weekday() for date in dates])
    return np.array(
        [season * np.array(_HOME_WEEKDAY if rhythm == 3 else _WEEKDAY)[weekday] for rhythm in range(RHYTHMS)]
    )


class Rhythm:
    """Draws event times of a scenario, in milliseconds since its start."""

    def __init__(self, start: datetime, horizon_ms: int, zones: tuple[str, ...]) -> None:
        days = -(-horizon_ms // DAY_MS)
        self.horizon_ms = horizon_ms
        midnight = start.astimezone(UTC)
        self._days = RowChoice(_day_table(midnight, days))
        self._hours = RowChoice(_hour_table())
        self._weekend = np.array([(midnight + timedelta(days=day)).weekday() >= 5 for day in range(days)])
        self._start_ms = (midnight.hour * 3600 + midnight.minute * 60 + midnight.second) * 1000
        # Offset from UTC at each day's noon; the hour of the switch to summer time itself does not matter here.
        noons = [midnight + timedelta(days=day, hours=12) for day in range(days)]
        self._offset_ms = np.array([[_offset_ms(noon, zone) for noon in noons] for zone in zones])

    def draw(self, rng: np.random.Generator, rhythm: Ints, zone: Ints, online: Ints) -> Ints:
        """Return times by each payer's rhythm (index), local zone (index) and whether the payment is at a distance."""
        day = self._days.draw(rng, rhythm)
        return self.at_hour(rng, day, rhythm, zone, online)

    def at_hour(self, rng: np.random.Generator, day: Ints, rhythm: Ints, zone: Ints, online: Ints) -> Ints:
        """Return times on the given days (counted from the start), at a fitting local hour."""
        day = np.clip(day, 0, self._weekend.size - 1)
        hour = self._hours.draw(rng, (rhythm * 2 + online) * 2 + self._weekend[day])
        local = day * DAY_MS + hour * HOUR_MS + rng.integers(0, HOUR_MS, day.size)
        # What falls before the start or after the end wraps around: the hour stays right, the edges stay even.
        time: Ints = (local - self._offset_ms[zone, day] - self._start_ms) % self.horizon_ms
        return time


def _offset_ms(moment: datetime, zone: str) -> int:
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1000)
