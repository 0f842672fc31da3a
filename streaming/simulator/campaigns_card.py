"""Campaigns with stolen card data or stolen cards: card testing, stolen card, compromised merchant."""

import numpy as np

from streaming.simulator import rows, sectors
from streaming.simulator.payment import CONTACTLESS_LIMIT_CENTS
from streaming.simulator.rhythm import DAY_MS, HOUR_MS
from streaming.simulator.rows import NONE, Rows, concat
from streaming.simulator.scene import Scene

_MINUTE_MS = 60_000


def card_testing(scene: Scene) -> Rows:
    """Tiny amounts at one online merchant within minutes, then a large one elsewhere for cards that worked."""
    rng, world = scene.rng, scene.world
    cards = int(rng.integers(2, 7))
    customer, card = scene.victims(cards)
    tries = rng.integers(1, 4, cards)
    who = np.repeat(np.arange(cards), tries)
    merchant = world.online_of(rng, customer[:1], rng.choice(sectors.TESTABLE, 1))
    pace = float(rng.choice((1.0, 6.0, 45.0)))  # minutes; a patient tester hides among the merchant's customers
    span = int(pace * _MINUTE_MS * who.size) + 12 * HOUR_MS
    start = scene.moment(span, customer, online=True)
    time = start + (rng.exponential(pace * _MINUTE_MS, who.size).cumsum()).astype(np.int64)
    where = np.repeat(merchant, who.size)
    tests_cents = scene.exact(rng.uniform(60, 600, who.size), where)
    one_device = rng.random() < 0.5
    device = np.repeat(world.network.new_devices(1), cards) if one_device else world.network.new_devices(cards)
    ip = scene.addresses(cards, world.places.country[scene.home(customer)], hidden=0.5)
    tests = scene.pay(
        time, customer[who], card[who], where, tests_cents, device=device[who], ip=ip[who], entry=scene.keyed(who.size)
    )
    good = np.flatnonzero(rng.random(cards) < 0.5)
    if good.size == 0:
        return tests
    shop = scene.resale_online(customer[good])
    later = time[-1] + (rng.exponential(4 * HOUR_MS, good.size)).astype(np.int64)
    cents = scene.prices(customer[good], shop, rng.uniform(1.2, 4.0, good.size))
    haul = scene.pay(
        later, customer[good], card[good], shop, cents, device=device[good], ip=ip[good], entry=scene.keyed(good.size)
    )
    return concat([tests, haul])


def stolen_card(scene: Scene) -> Rows:
    """Several quick purchases in person, mostly in the owner's city; some thieves are patient and modest."""
    rng, world = scene.rng, scene.world
    customer, card = scene.victims(1)
    modest = rng.random() < 0.2
    count = int(rng.integers(1, 4) if modest else rng.integers(4, 11))
    city = scene.home(customer)
    if rng.random() < 0.2:
        near = np.flatnonzero(world.places.distance_km[city[0]] < 350)
        city = rng.choice(near, 1)
    gap = rng.exponential((150 if modest else 14) * _MINUTE_MS, count).astype(np.int64)
    start = scene.moment(int(gap.sum()), customer, online=False)
    who, where = np.repeat(customer, count), np.repeat(city, count)
    merchant = world.shop(rng, who, where) if modest else scene.resale_shop(where)
    if not modest and rng.random() < 0.25:  # the thief knows the number
        merchant[-1:] = world.directory.in_city(rng, city, np.array([sectors.ATM]))
    cents = scene.prices(who, merchant, 1.0 if modest else 2.8)
    touch = rng.random(count) < 0.45
    is_cash = world.directory.sector[merchant] == sectors.ATM
    limited = touch & (cents > CONTACTLESS_LIMIT_CENTS) & ~is_cash
    under = scene.exact(rng.uniform(0.5, 0.99, count) * (CONTACTLESS_LIMIT_CENTS - 100), merchant)
    cents = np.where(limited, under, cents)
    entry = np.where(touch, rows.CONTACTLESS, rng.choice((rows.CHIP, rows.MAGSTRIPE), count))
    return scene.pay(start + gap.cumsum(), who, np.repeat(card, count), merchant, cents, entry=entry)


def compromised_merchant(scene: Scene) -> Rows:
    """A terminal that skims its visitors' cards, or whose own charges are fraudulent for weeks."""
    index = scene.in_person[scene.rng.integers(0, scene.in_person.size)] if scene.in_person.size else 0
    merchant = int(scene.honest.merchant[index])
    visits = np.flatnonzero(scene.honest.merchant == merchant)
    return _skimmed(scene, visits) if scene.rng.random() < 0.6 else _rogue(scene, merchant, visits)


def _skimmed(scene: Scene, visits: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Rows:
    """Cards that visited in a window are abused later, one to four times each, mostly within a day each, online."""
    rng, world, honest = scene.rng, scene.world, scene.honest
    window = int(rng.integers(4, 21)) * DAY_MS
    opened = scene.start(window)
    seen = visits[(honest.time[visits] >= opened) & (honest.time[visits] < opened + window)]
    taken = rng.permutation(seen)[: int(rng.integers(4, 16))]
    repeats = rng.integers(1, 5, taken.size)
    uses = np.repeat(taken, repeats)
    customer, card = honest.customer[uses].astype(np.int64), honest.card[uses].astype(np.int64)
    day = (honest.time[uses] // DAY_MS) + np.repeat(rng.integers(1, 25, taken.size), repeats)
    time = scene.times(day, customer, online=True)
    merchant = np.where(rng.random(uses.size) < 0.5, scene.resale_online(customer), world.shop_online(rng, customer))
    cents = scene.prices(customer, merchant, rng.uniform(1.0, 3.0, uses.size))
    pool = world.network.new_devices(max(1, uses.size // 3))
    device = rng.choice(pool, uses.size)
    ip = scene.addresses(uses.size, world.places.country[scene.home(customer)], hidden=0.7)
    return scene.pay(time, customer, card, merchant, cents, device=device, ip=ip, entry=scene.keyed(uses.size))


def _rogue(scene: Scene, merchant: int, visits: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Rows:
    """The terminal charges earlier visitors' cards again, amounts like any other of its kind."""
    rng, world, honest = scene.rng, scene.world, scene.honest
    weeks = int(rng.integers(14, 29))
    count = int(rng.integers(6, 20))
    first_day = scene.start(weeks * DAY_MS) // DAY_MS
    again = rng.choice(visits, count)
    customer, card = honest.customer[again].astype(np.int64), honest.card[again].astype(np.int64)
    time = scene.times(first_day + rng.integers(0, weeks, count), customer, online=False)
    where = np.full(count, merchant)
    cents = scene.prices(customer, where, rng.uniform(1.0, 2.8, count))
    entry = np.full(count, NONE)
    swiped = rng.random(count) < 0.6
    entry[swiped] = rng.choice((rows.MAGSTRIPE, rows.MANUAL), int(swiped.sum()))
    city = world.directory.city[where]
    return scene.pay(time, customer, card, where, cents, city=np.maximum(city, 0), entry=entry)
