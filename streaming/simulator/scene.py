"""Where campaigns happen: the world, the honest transactions in it, and the draws that campaigns have in common."""

from dataclasses import dataclass

import numpy as np

from streaming.simulator import rows, sectors
from streaming.simulator.draws import Floats, Ints
from streaming.simulator.payment import complete
from streaming.simulator.prices import draw_cents, finish
from streaming.simulator.rhythm import DAY_MS
from streaming.simulator.ring_shape import RingShape
from streaming.simulator.rows import Rows
from streaming.simulator.world import World

OUTSIDE = -1  # a time before the start or after the end: the transaction does not appear
_ANY_RHYTHMS = np.array([0, 1, 1, 2, 3])


@dataclass(frozen=True, slots=True)
class Scene:
    """What a campaign draws from.

    ``honest`` are all honest transactions, ``in_person`` the indexes at terminals, ``rings`` what rings look like.
    """

    world: World
    honest: Rows
    in_person: Ints
    rng: np.random.Generator
    rings: RingShape

    def victims(self, count: int) -> tuple[Ints, Ints]:
        """Return (customer, card) of random honest transactions: the more a card is used, the more it is exposed."""
        index = self.rng.integers(0, len(self.honest), count)
        return self.honest.customer[index].astype(np.int64), self.honest.card[index].astype(np.int64)

    def start(self, span_ms: int) -> int:
        """Return a start such that a campaign of ``span_ms`` is equally likely to be active at any time."""
        return int(self.rng.integers(-span_ms, self.world.horizon_ms))

    def times(self, day: Ints, customer: Ints, *, online: bool) -> Ints:
        """Return times on the given days at hours when people pay, `OUTSIDE` for days out of range."""
        rhythm = self.rng.choice(_ANY_RHYTHMS, day.size)
        zone = self.world.places.zone[self.home(customer)]
        time = self.world.rhythm.at_hour(self.rng, day, rhythm, zone, np.full(day.size, int(online)))
        last = -(-self.world.horizon_ms // DAY_MS)
        return np.where((day >= 0) & (day < last), time, OUTSIDE)

    def moment(self, span_ms: int, customer: Ints, *, online: bool) -> int:
        """Return the start of a burst of ``span_ms`` that hits its first customer: a third at any hour."""
        start = self.start(span_ms)
        if start < 0 or self.rng.random() < 0.33:
            return start
        return int(self.times(np.array([start // DAY_MS]), customer[:1], online=online)[0])

    def home(self, customer: Ints) -> Ints:
        """Return each customer's home city."""
        return self.world.population.city[customer]

    def far_city(self, city: Ints) -> Ints:
        """Return a city at least 600 km from each of ``city`` (or the farthest there is)."""
        distance = self.world.places.distance_km[city]
        weight = np.where(distance >= 600, self.world.places.weight + 0.02, 0.0)
        weight += np.where(distance == distance.max(axis=1, keepdims=True), 1e-9, 0.0)
        cumulative = weight.cumsum(axis=1)
        draw = self.rng.random((city.size, 1)) * cumulative[:, -1:]
        chosen: Ints = (cumulative <= draw).sum(axis=1)
        return chosen.clip(max=weight.shape[1] - 1)

    def prices(self, customer: Ints, merchant: Ints, stretch: float | Floats = 1.0) -> Ints:
        """Return amounts in cents as honest customers pay them at each merchant, times ``stretch``."""
        sector = self.world.directory.sector[merchant]
        spend = self.world.population.spend[customer]
        return draw_cents(self.rng, sector, self.world.directory.level[merchant] * stretch, spend)

    def exact(self, cents: Floats, merchant: Ints) -> Ints:
        """Return the given amounts in cents with the endings that prices have."""
        return finish(self.rng, cents, self.world.directory.sector[merchant])

    def resale_online(self, customer: Ints) -> Ints:
        """Return online merchants whose goods are easily turned into money."""
        return self.world.online_of(self.rng, customer, self.rng.choice(sectors.RESALE_ONLINE, customer.size))

    def resale_shop(self, city: Ints) -> Ints:
        """Return merchants in ``city`` whose goods are easily turned into money."""
        return self.world.directory.in_city(self.rng, city, self.rng.choice(sectors.RESALE_SHOP, city.size))

    def addresses(self, count: int, country: Ints, hidden: float) -> Ints:
        """Return ``count`` addresses: with probability ``hidden`` carriers' shared ones, else new ones."""
        shared = self.world.network.carrier_ips(self.rng, np.resize(country, count))
        return np.where(self.rng.random(count) < hidden, shared, self.world.network.new_ips(count))

    def keyed(self, count: int) -> Ints:
        """Return entry modes of payments online with copied data: mostly typed in, else as the owner would."""
        return np.where(self.rng.random(count) < 0.75, rows.MANUAL, rows.NONE)

    def pay(self, time: Ints, customer: Ints, card: Ints, merchant: Ints, cents: Ints, **given: Ints) -> Rows:
        """Return full transactions (`streaming.simulator.payment.complete`)."""
        return complete(
            self.world, self.rng, time=time, customer=customer, merchant=merchant, cents=cents, card=card, **given
        )


def make_scene(world: World, honest: Rows, rng: np.random.Generator, rings: RingShape) -> Scene:
    """Return the scene for ``honest`` transactions (at least one)."""
    return Scene(world, honest, np.flatnonzero(honest.channel == rows.POS), rng, rings)
