"""Honest transactions: subscriptions, shopping by habit, exploration, travel, sprees and transfers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streaming.simulator import rows, sectors
from streaming.simulator.draws import Ints
from streaming.simulator.payment import complete, draw_cards
from streaming.simulator.prices import draw_cents, finish
from streaming.simulator.rhythm import DAY_MS
from streaming.simulator.rows import NONE, Rows, concat
from streaming.simulator.world import World

CHUNK = 250_000
_SHOP, _ONLINE, _TRANSFER = 0, 1, 2
_SUBSCRIPTION_SHARE = 0.06
_SPREE_SHARE = 0.10  # of purchases follow another one within the hour
_SPREE_MINUTES = 16.0
_CHECK_SHARE = 0.012  # of purchases online are tiny: cards being verified, tips, top-ups


def honest_rows(world: World, rng: np.random.Generator, wanted: int, done: Callable[[int], None]) -> Rows:
    """Return exactly ``wanted`` honest transactions, unsorted; ``done`` is told how many exist so far."""
    parts = [_subscriptions(world, rng, round(wanted * _SUBSCRIPTION_SHARE))]
    made = len(parts[0])
    activity = world.population.activity
    count = rng.multinomial(wanted - made, activity / activity.sum())
    customer = np.repeat(np.arange(count.size, dtype=np.int32), count)
    for start in range(0, customer.size, CHUNK):
        parts.append(_purchases(world, rng, customer[start : start + CHUNK].astype(np.int64)).compact())
        made += len(parts[-1])
        done(made)
    return concat(parts)


def _subscriptions(world: World, rng: np.random.Generator, wanted: int) -> Rows:
    """Return up to ``wanted`` monthly charges: same merchant, card and amount each time, and no device."""
    size = len(world.population)
    holder = np.repeat(np.arange(size), rng.choice(4, size=size, p=(0.3, 0.3, 0.25, 0.15)))
    sector = rng.choice(sectors.SUBSCRIPTION, size=holder.size)
    merchant = world.online_of(rng, holder, sector)
    plan_cents = draw_cents(
        rng, world.directory.sector[merchant], world.directory.level[merchant], np.ones(holder.size)
    )
    card = draw_cards(world, rng, holder)
    phase = rng.integers(0, 30 * DAY_MS, holder.size)
    months = int(world.horizon_ms // (30 * DAY_MS)) + 1
    charge = rng.permutation(holder.size * months)
    plan, month = charge % max(holder.size, 1), charge // max(holder.size, 1)
    time = phase[plan] + month * 30 * DAY_MS + rng.integers(0, DAY_MS // 4, charge.size)
    plan, time = plan[time < world.horizon_ms][:wanted], time[time < world.horizon_ms][:wanted]
    stored = np.full(plan.size, rows.STORED)
    made = complete(
        world, rng, time=time, customer=holder[plan], merchant=merchant[plan], cents=plan_cents[plan], card=card[plan],
        entry=stored,
    )  # fmt: skip
    absent = np.full(plan.size, NONE)
    return replace(made, device=absent, ip=absent, channel=np.full(plan.size, rows.ECOMMERCE), entry=stored)


def _purchases(world: World, rng: np.random.Generator, customer: Ints) -> Rows:
    """Return one transaction for each entry of ``customer`` (sorted)."""
    people = world.population
    draw = rng.random(customer.size)
    online = draw < people.online_share[customer]
    mode = np.where(online, _ONLINE, _SHOP)
    mode = np.where(draw > 1 - people.transfer_share[customer], _TRANSFER, mode)
    home = people.city[customer]
    zone = world.places.zone[home]
    time = world.rhythm.draw(rng, people.rhythm[customer], zone, (mode != _SHOP).astype(np.int64))
    time, mode, first = _sprees(rng, customer, time, mode, world.horizon_ms)
    trip = world.trips.find(customer, time)
    mode = np.where((mode == _SHOP) & (world.trips.in_transit(trip, time) == 1), _ONLINE, mode)
    city = _whereabouts(world, rng, home, trip)
    merchant = _merchants(world, rng, customer, mode, city)
    again = (rng.random(customer.size) < 0.35) & (mode == mode[first]) & (city == city[first])
    merchant = np.where(again, merchant[first], merchant)
    sector = world.directory.sector[merchant]
    cents = draw_cents(rng, sector, world.directory.level[merchant], people.spend[customer])
    check = (mode == _ONLINE) & (rng.random(customer.size) < _CHECK_SHARE)
    cents = np.where(check, finish(rng, rng.uniform(50, 500, customer.size), sector), cents)
    return complete(world, rng, time=time, customer=customer, merchant=merchant, cents=cents, city=city)


def _sprees(
    rng: np.random.Generator, customer: Ints, time: Ints, mode: Ints, horizon_ms: int
) -> tuple[Ints, Ints, Ints]:
    """Move some purchases to minutes after another one of the same customer; return times, modes and that other row."""
    position = np.arange(customer.size)
    follows = rng.random(customer.size) < _SPREE_SHARE
    follows[0] = False
    follows[1:] &= customer[1:] == customer[:-1]
    first = np.maximum.accumulate(np.where(follows, 0, position))
    gap = (rng.exponential(_SPREE_MINUTES * 60_000, customer.size)).astype(np.int64) + 20_000
    moved = time[first] + gap
    return np.where(follows & (moved < horizon_ms), moved, time), mode[first], first


def _whereabouts(world: World, rng: np.random.Generator, home: Ints, trip: Ints) -> Ints:
    """Return the city where each card is: home, the trip's, or either while a companion uses the card at home."""
    if world.trips.city.size == 0:
        return home
    index = np.maximum(trip, 0)
    stays = (world.trips.shared[index] == 1) & (rng.random(trip.size) < 0.4)
    return np.where((trip >= 0) & ~stays, world.trips.city[index], home)


def _merchants(world: World, rng: np.random.Generator, customer: Ints, mode: Ints, city: Ints) -> Ints:
    """Return the merchant of each purchase: a favourite or a new one, where the customer is."""
    merchant = np.empty(customer.size, dtype=np.int64)
    loyal = rng.random(customer.size) < world.population.loyalty[customer]
    at_home = city == world.population.city[customer]

    def fill(wanted: NDArray[np.bool_], draw: Callable[[Ints], Ints]) -> None:
        index = np.flatnonzero(wanted)
        merchant[index] = draw(index)

    fill((mode == _SHOP) & loyal & at_home, lambda i: world.habitual(rng, customer[i], online=False))
    fill((mode == _SHOP) & ~(loyal & at_home), lambda i: world.shop(rng, customer[i], city[i]))
    fill((mode == _ONLINE) & loyal, lambda i: world.habitual(rng, customer[i], online=True))
    fill((mode == _ONLINE) & ~loyal, lambda i: world.shop_online(rng, customer[i]))
    fill(mode == _TRANSFER, lambda i: world.bank(rng, customer[i]))
    return merchant
