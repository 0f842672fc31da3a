"""Chains of mules: each recruits the next among people he knows, and everyone steals alone.

Recruits are friends and acquaintances, who now and then paid with one another's phone or laptop long before. Nothing
else ties them: each moves money for a day from the own phone and the own address, and is dropped before the bank
knows. So no fraud is ever seen on what two members share, and a member's own past is honest when the first fraud comes.
That the friend of a friend is a known mule is all there is to tell.
"""

import numpy as np

from streaming.simulator import rows
from streaming.simulator.draws import Ints
from streaming.simulator.rhythm import DAY_MS
from streaming.simulator.rows import NONE, Rows
from streaming.simulator.scene import Scene

FRIENDS = 3  # that share a device: members next to each other in the chain, or honest people
_HONEST_GROUPS = 2  # that share a device in the same way, for each group of members that does
_NEWEST = 5  # payments of a card before a moment, among which those on a friend's device are


def mule_chain(scene: Scene) -> Rows:
    """One member after the other passes money on, a day each; honest payments of theirs move to shared devices."""
    rng, world, shape = scene.rng, scene.world, scene.rings
    members = int(rng.integers(shape.members[0], shape.members[1] + 1))
    customer, card = scene.victims(members)
    gaps = rng.integers(5, 12, members)
    day = scene.start(int(gaps.sum()) * DAY_MS) // DAY_MS + gaps.cumsum()
    for first in range(members - 1):
        friends = card[first : first + FRIENDS]
        _share(scene, friends, int(day[first + 1]) * DAY_MS)
        for _ in range(_HONEST_GROUPS):
            _share(scene, scene.victims(friends.size)[1], int(rng.integers(0, world.horizon_ms)))
    who = np.repeat(np.arange(members), rng.integers(shape.payments[0], shape.payments[1] + 1, members))
    paying = customer[who]
    transfer = rng.random(who.size) < 0.45
    merchant = np.where(transfer, world.bank(rng, paying), scene.resale_online(paying))
    return scene.pay(
        scene.times(day[who], paying, online=True),
        paying,
        card[who],
        merchant,
        scene.prices(paying, merchant, np.where(transfer, 1.5, 1.1)),
        counterparty=np.where(rng.random(who.size) < 0.5, NONE, rng.integers(0, 2 * len(world.population), who.size)),
    )


def _share(scene: Scene, cards: Ints, before_ms: int) -> None:
    """Move one to three of each card's newest honest payments online before a time to one device."""
    honest = scene.honest
    device = scene.world.network.new_devices(1)
    for card in cards:
        online = np.flatnonzero((honest.card == card) & (honest.channel == rows.ECOMMERCE) & (honest.time < before_ms))
        newest = online[np.argsort(honest.time[online])][-_NEWEST:]
        count = min(int(scene.rng.integers(1, 4)), newest.size)
        honest.device[scene.rng.choice(newest, count, replace=False)] = device
