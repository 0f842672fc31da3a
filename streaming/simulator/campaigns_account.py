"""Campaigns with accounts: takeover by a stranger, and rings of mules that move and spend stolen money."""

import numpy as np

from streaming.simulator import rows
from streaming.simulator.draws import Ints
from streaming.simulator.rhythm import DAY_MS, HOUR_MS
from streaming.simulator.rows import NONE, Rows, concat
from streaming.simulator.scene import OUTSIDE, Scene

_MINUTE_MS = 60_000


def account_takeover(scene: Scene) -> Rows:
    """A new device shops online or transfers money; then a phone far away pays at terminals.

    The far payments come while the owner pays at home: the distance cannot be travelled in the time between.
    """
    rng, world = scene.rng, scene.world
    pool = scene.in_person if scene.in_person.size else np.arange(len(scene.honest))
    index = pool[rng.integers(0, pool.size)]
    customer, card = scene.honest.customer[[index]].astype(np.int64), scene.honest.card[[index]].astype(np.int64)
    seen = int(scene.honest.time[index])
    count = int(rng.integers(1, 4))
    quiet = rng.random() < 0.15  # works through the owner's own device, at the owner's usual shops
    gap = rng.exponential((180 if quiet else 25) * _MINUTE_MS, count).astype(np.int64)
    who = np.repeat(customer, count)
    online = world.shop_online(rng, who) if quiet else scene.resale_online(who)
    merchant = np.where(rng.random(count) < 0.25, world.bank(rng, who), online)
    cents = scene.prices(who, merchant, 1.1 if quiet else 2.5)
    device = np.full(count, NONE) if quiet else np.repeat(world.network.new_devices(1), count)
    ip = np.repeat(scene.addresses(1, world.places.country[scene.home(customer)], hidden=0.6), count)
    time = seen + 15 * _MINUTE_MS + gap.cumsum()
    remote = scene.pay(
        time,
        who,
        np.repeat(card, count),
        merchant,
        cents,
        device=device,
        ip=ip,
        counterparty=_strangers(scene, count),
        entry=np.full(count, NONE) if quiet else scene.keyed(count),
    )
    if quiet or rng.random() < 0.35:
        return remote
    return concat([remote, _far_away(scene, customer, card, seen)])


def _strangers(scene: Scene, count: int) -> Ints:
    """Return accounts that receive money: customers' and others', like anybody's contacts."""
    return scene.rng.integers(0, 2 * len(scene.world.population), count)


def _far_away(scene: Scene, customer: Ints, card: Ints, seen: int) -> Rows:
    """Return payments by phone in a far city within the hour after the owner paid at home."""
    rng = scene.rng
    count = int(rng.integers(1, 5))
    city = np.repeat(scene.far_city(scene.home(customer)), count)
    who = np.repeat(customer, count)
    time = seen + 5 * _MINUTE_MS + rng.exponential(18 * _MINUTE_MS, count).astype(np.int64).cumsum()
    merchant = scene.resale_shop(city)
    cents = scene.prices(who, merchant, 1.4)
    return scene.pay(time, who, np.repeat(card, count), merchant, cents, entry=np.full(count, rows.WALLET))


def mule_ring(scene: Scene) -> Rows:
    """Recruited customers who share a few devices and addresses, pass money on and spend it, for weeks."""
    rng, world, shape = scene.rng, scene.world, scene.rings
    members = _within(rng, shape.members)
    customer, card = scene.victims(members)
    count = int(rng.integers(shape.payments[0] * members, shape.payments[1] * members))
    who = rng.integers(0, members, count)
    days = int(rng.integers(10, 36))
    first_day = scene.start(days * DAY_MS) // DAY_MS
    waves = first_day + rng.integers(0, days, max(2, count // 4))  # money comes in waves and is moved the same day
    time = scene.times(rng.choice(waves, count), customer[who], online=True)
    late = rng.random(count) < 0.2
    time = np.where(late & (time != OUTSIDE), time + rng.integers(0, 12 * HOUR_MS, count), time)
    transfer = rng.random(count) < 0.45
    merchant = np.where(transfer, world.bank(rng, customer[who]), scene.resale_online(customer[who]))
    cents = scene.prices(customer[who], merchant, np.where(transfer, 2.2, 1.2))
    receiver = np.where(rng.random(count) < 0.7, customer[rng.integers(0, members, count)], _strangers(scene, count))
    device = rng.choice(world.network.new_devices(_within(rng, shape.devices)), count)
    own = rng.random(count) < shape.camouflage  # some members use their own phones now and then
    home = world.places.country[scene.home(customer[:1])]
    ip_pool = scene.addresses(_within(rng, shape.addresses), home, hidden=shape.hidden)
    ip = rng.choice(ip_pool, count)
    return scene.pay(
        time,
        customer[who],
        card[who],
        merchant,
        cents,
        device=np.where(own, NONE, device),
        ip=np.where(own & shape.own_addresses, NONE, ip),
        counterparty=np.where(receiver == customer[who], NONE, receiver),
    )


def _within(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    """Draw a whole number within ``bounds``, both included."""
    return int(rng.integers(bounds[0], bounds[1] + 1))
