"""Devices and IP addresses: shared by households, mobile carriers and public networks, so sharing is not fraud."""

import numpy as np

from streaming.simulator.draws import Ints
from streaming.simulator.places import Places
from streaming.simulator.population import Population
from streaming.simulator.rhythm import DAY_MS

_LEASE_DAYS = 30  # how long a home keeps its address
_CUSTOMERS_PER_CARRIER_IP = 90
_CUSTOMERS_PER_PUBLIC_IP = 40
_REPLACED_PER_DAY = 1 / 420  # how often somebody gets a new main device


class Network:
    """Numbers devices and addresses; numbers carry no meaning and are shuffled before anyone sees them."""

    def __init__(self, rng: np.random.Generator, places: Places, population: Population, horizon_ms: int) -> None:
        size = len(population)
        self._population = population
        self._main, self._new_main = np.arange(size), np.arange(size) + size
        self._family = population.household + 3 * size
        self._second = np.where(rng.random(size) < 0.7, self._family, np.arange(size) + 2 * size)
        self._owned = rng.choice(3, size=size, p=(0.45, 0.38, 0.17)) + 1
        replaced = rng.exponential(1 / _REPLACED_PER_DAY, size) * DAY_MS
        self._replaced_ms = np.minimum(replaced, 4 * horizon_ms).astype(np.int64)
        self._next_device = 4 * size
        self._leases = horizon_ms // (_LEASE_DAYS * DAY_MS) + 2
        self._lease_phase = rng.integers(0, _LEASE_DAYS * DAY_MS, size)
        self._carrier_base = size * self._leases
        residents = np.bincount(places.country[population.city], minlength=len(places.countries))
        self._carrier_size = 2 + residents // _CUSTOMERS_PER_CARRIER_IP
        self._carrier_start = self._carrier_base + self._carrier_size.cumsum() - self._carrier_size
        self._country = places.country
        public = 1 + np.bincount(population.city, minlength=len(places)) // _CUSTOMERS_PER_PUBLIC_IP
        self._public_size = public
        base = int(self._carrier_base + self._carrier_size.sum())
        self._public_start = base + public.cumsum() - public
        self._next_ip = base + int(public.sum())

    def new_devices(self, count: int) -> Ints:
        """Return ``count`` devices never seen before."""
        self._next_device += count
        return np.arange(self._next_device - count, self._next_device)

    def new_ips(self, count: int) -> Ints:
        """Return ``count`` addresses never seen before."""
        self._next_ip += count
        return np.arange(self._next_ip - count, self._next_ip)

    def devices(self, rng: np.random.Generator, customer: Ints, time: Ints) -> Ints:
        """Return the device that each customer uses at each time: mostly the main one, at times a stranger's or new."""
        draw = rng.random(customer.size)
        device = np.where(time >= self._replaced_ms[customer], self._new_main[customer], self._main[customer])
        device = np.where((draw > 0.72) & (self._owned[customer] > 1), self._second[customer], device)
        device = np.where((draw > 0.93) & (self._owned[customer] > 2), self._family[customer], device)
        elsewhere = np.flatnonzero(draw > 0.992)
        # A friend's device, or a private browser window that looks like a device never seen before.
        fresh = rng.random(elsewhere.size) < 0.7
        friend = np.minimum(customer[elsewhere] + rng.integers(1, 9, elsewhere.size), len(self._population) - 1)
        device[elsewhere] = self._main[friend]
        device[elsewhere[fresh]] = self.new_devices(int(fresh.sum()))
        return device

    def ips(self, rng: np.random.Generator, customer: Ints, time: Ints, city: Ints) -> Ints:
        """Return the address used: at home the household's lease, else the carrier's shared one or a public network."""
        draw = rng.random(customer.size)
        household = self._population.household[customer]
        lease = (time + self._lease_phase[household]) // (_LEASE_DAYS * DAY_MS)
        at_home = (draw < 0.55) & (city == self._population.city[customer])
        address = np.where(at_home, household * self._leases + lease, self.carrier_ips(rng, self._country[city]))
        public = self._public_start[city] + rng.integers(0, self._public_size[city])
        address = np.where(draw > 0.92, public, address)
        fresh = np.flatnonzero(draw > 0.99)
        address[fresh] = self.new_ips(fresh.size)
        return address

    def carrier_ips(self, rng: np.random.Generator, country: Ints) -> Ints:
        """Return addresses that a mobile carrier of each country shares among many customers."""
        return self._carrier_start[country] + rng.integers(0, self._carrier_size[country])
