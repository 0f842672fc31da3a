"""Campaigns that know or look for limits: slow drips under a threshold, and probing for where it is."""

import numpy as np

from streaming.simulator import rows, sectors
from streaming.simulator.payment import CONTACTLESS_LIMIT_CENTS
from streaming.simulator.rhythm import DAY_MS
from streaming.simulator.rows import NONE, Rows
from streaming.simulator.scene import Scene

_MINUTE_MS = 60_000
_LIMITS_CENTS = (10_000, 15_000, 20_000, 25_000, 50_000)


def slow_drip(scene: Scene) -> Rows:
    """A copied card pays a little under a limit, about twice a day for a week or more, in person or online."""
    rng, world = scene.rng, scene.world
    customer, card = scene.victims(1)
    days = int(rng.integers(4, 12))
    count = int(rng.integers(3 * days // 2, 5 * days // 2 + 1))
    first_day = scene.start(days * DAY_MS) // DAY_MS
    in_person = rng.random() < 0.6
    who = np.repeat(customer, count)
    time = scene.times(first_day + rng.integers(0, days, count), who, online=not in_person)
    limit = CONTACTLESS_LIMIT_CENTS if in_person else int(rng.choice((2_500, 5_000, 10_000)))
    few = world.shop(rng, who, scene.home(who)) if in_person else world.shop_online(rng, who)
    merchant = rng.choice(few[: int(rng.integers(1, 4))], count)
    cents = scene.exact(rng.uniform(0.75, 0.99, count) * (limit - 100), merchant)
    entry = np.full(count, rows.CONTACTLESS) if in_person else scene.keyed(count)
    device = np.repeat(world.network.new_devices(1), count)
    ip = np.resize(scene.addresses(3, world.places.country[scene.home(customer)], hidden=0.6), count)
    return scene.pay(time, who, np.repeat(card, count), merchant, cents, entry=entry, device=device, ip=ip)


def threshold_probing(scene: Scene) -> Rows:
    """Rising amounts at one merchant, until they are refused; then again and again just under that."""
    rng, world = scene.rng, scene.world
    customer, card = scene.victims(1)
    limit = int(rng.choice(_LIMITS_CENTS))
    steps = np.linspace(rng.uniform(0.2, 0.5), 0.97, int(rng.integers(3, 6)))
    share = np.concatenate([steps, rng.uniform(0.9, 0.99, int(rng.integers(1, 5)))])
    gap = rng.exponential(float(rng.choice((3.0, 10.0, 60.0))) * _MINUTE_MS, share.size).astype(np.int64)
    start = scene.moment(int(gap.sum()), customer, online=True)
    if rng.random() < 0.2:
        one = world.directory.in_city(rng, scene.home(customer), np.array([sectors.ATM]))
    else:
        one = scene.resale_online(customer)
    merchant, who = np.repeat(one, share.size), np.repeat(customer, share.size)
    cents = scene.exact(share * (limit - 100), merchant)
    device = np.repeat(world.network.new_devices(1), share.size)
    if rng.random() < 0.15:
        device[:] = NONE
    ip = np.repeat(scene.addresses(1, world.places.country[scene.home(customer)], hidden=0.6), share.size)
    return scene.pay(
        start + gap.cumsum(),
        who,
        np.repeat(card, share.size),
        merchant,
        cents,
        device=device,
        ip=ip,
        entry=scene.keyed(share.size),
    )
