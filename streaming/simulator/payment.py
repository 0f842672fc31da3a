"""Completes transactions: card, channel, entry mode, device, address, counterparty; the same rules for everyone."""

import numpy as np
from numpy.typing import NDArray

from streaming.simulator import rows, sectors
from streaming.simulator.draws import Ints
from streaming.simulator.rows import NONE, Rows
from streaming.simulator.world import World

CONTACTLESS_LIMIT_CENTS = 5_000
_MOTO_SHARE = 0.015  # of payments at a distance: orders by telephone


def complete(
    world: World,
    rng: np.random.Generator,
    *,
    time: Ints,
    customer: Ints,
    merchant: Ints,
    cents: Ints,
    city: Ints | None = None,
    card: Ints | None = None,
    entry: Ints | None = None,
    device: Ints | None = None,
    ip: Ints | None = None,
    counterparty: Ints | None = None,
) -> Rows:
    """Return full rows for the given (n,) arrays; what is not given (or -1) follows the customer's habits.

    ``city`` is where the customer is (home by default). Channels follow from the merchant, so that devices, addresses
    and counterparties of other channels are dropped.
    """
    city = world.population.city[customer] if city is None else city
    channel = _channels(world, rng, merchant)
    remote = (channel == rows.ECOMMERCE) | (channel == rows.TRANSFER)
    used, address = _connections(world, rng, remote, time=time, customer=customer, city=city)
    contact = world.contacts[customer, rng.integers(0, world.contacts.shape[1], customer.size)]
    if counterparty is not None:
        contact = np.where(counterparty == NONE, contact, counterparty)
    drawn = _entries(world, rng, customer, channel, cents)
    if entry is not None:
        drawn = np.where((entry == NONE) | (channel != rows.POS) & (channel != rows.ECOMMERCE), drawn, entry)
    return Rows(
        time=time,
        customer=customer,
        card=draw_cards(world, rng, customer) if card is None else card,
        merchant=merchant,
        cents=cents,
        device=_override(used, device, remote),
        ip=_override(address, ip, remote),
        counterparty=np.where(channel == rows.TRANSFER, contact, NONE),
        channel=channel,
        entry=drawn,
    )


def draw_cards(world: World, rng: np.random.Generator, customer: Ints) -> Ints:
    """Return one of each customer's cards, mostly the first."""
    population = world.population
    other = rng.integers(0, population.card_count[customer])
    return population.first_card[customer] + np.where(rng.random(customer.size) < 0.7, 0, other)


def _channels(world: World, rng: np.random.Generator, merchant: Ints) -> Ints:
    """Return the channel of a payment to each merchant."""
    sector, in_person = world.directory.sector[merchant], world.directory.city[merchant] >= 0
    distant = np.where(rng.random(merchant.size) < _MOTO_SHARE, rows.MOTO, rows.ECOMMERCE)
    distant = np.where(sector == sectors.TRANSFER, rows.TRANSFER, distant)
    return np.where(in_person, np.where(sector == sectors.ATM, rows.ATM, rows.POS), distant)


def _entries(world: World, rng: np.random.Generator, customer: Ints, channel: Ints, cents: Ints) -> Ints:
    """Return how each card was read."""
    draw, wallet = rng.random(customer.size), rng.random(customer.size) < world.population.wallet_share[customer]
    touch = (cents <= CONTACTLESS_LIMIT_CENTS) & (draw < 0.86)
    at_terminal = np.where(wallet, rows.WALLET, np.where(touch, rows.CONTACTLESS, rows.CHIP))
    at_terminal = np.where(draw > 0.994, rows.MAGSTRIPE, at_terminal)
    distant = np.where(draw < 0.5, rows.STORED, np.where(draw < 0.82, rows.MANUAL, rows.WALLET))
    entry = np.where(channel == rows.POS, at_terminal, np.where(channel == rows.ECOMMERCE, distant, rows.MANUAL))
    return np.where(channel == rows.ATM, rows.CHIP, np.where(channel == rows.TRANSFER, NONE, entry))


def _connections(
    world: World, rng: np.random.Generator, remote: NDArray[np.bool_], *, time: Ints, customer: Ints, city: Ints
) -> tuple[Ints, Ints]:
    """Return each customer's own device and address where the payment is ``remote``, else -1."""
    where = np.flatnonzero(remote)
    device, ip = np.full(customer.size, NONE), np.full(customer.size, NONE)
    device[where] = world.network.devices(rng, customer[where], time[where])
    ip[where] = world.network.ips(rng, customer[where], time[where], city[where])
    return device, ip


def _override(own: Ints, given: Ints | None, remote: NDArray[np.bool_]) -> Ints:
    """Return ``given`` where there is one and the payment is ``remote``, else ``own``."""
    return own if given is None else np.where(remote & (given != NONE), given, own)
