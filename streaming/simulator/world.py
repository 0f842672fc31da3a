"""The world of a scenario: places, people, merchants, devices, trips and habits, built once from the seed."""

from dataclasses import dataclass, replace

import numpy as np

from streaming.simulator import sectors
from streaming.simulator.directory import Directory, build_directory
from streaming.simulator.draws import Ints, geometric_index
from streaming.simulator.network import Network
from streaming.simulator.places import Places, active_places
from streaming.simulator.population import Population, build_population
from streaming.simulator.rhythm import Rhythm
from streaming.simulator.scenario import Scenario
from streaming.simulator.trips import Trips, build_trips

SHOP_FAVOURITES, ONLINE_FAVOURITES, CONTACTS = 10, 6, 5
_HOME_COUNTRY_SHARE = 0.72  # of purchases online


@dataclass(frozen=True, slots=True)
class World:
    """Everything that transactions are drawn from. ``network`` alone changes, as it hands out devices."""

    places: Places
    population: Population
    directory: Directory
    rhythm: Rhythm
    trips: Trips
    network: Network
    shop_favourites: Ints  # (customers, SHOP_FAVOURITES): merchants, most visited first
    online_favourites: Ints  # (customers, ONLINE_FAVOURITES)
    contacts: Ints  # (customers, CONTACTS): accounts that each customer sends money to

    @property
    def horizon_ms(self) -> int:
        """Length of the scenario in milliseconds."""
        return self.rhythm.horizon_ms

    def shop(self, rng: np.random.Generator, customer: Ints, city: Ints) -> Ints:
        """Return a merchant in ``city`` for each customer, by taste."""
        return self.directory.in_city(rng, city, self.population.shop_taste.draw(rng, customer))

    def shop_online(self, rng: np.random.Generator, customer: Ints) -> Ints:
        """Return an online merchant for each customer, by taste."""
        return self.online_of(rng, customer, self.population.online_taste.draw(rng, customer))

    def online_of(self, rng: np.random.Generator, customer: Ints, sector: Ints) -> Ints:
        """Return an online merchant of ``sector``, mostly of the customer's country."""
        home = self.places.country[self.population.city[customer]]
        abroad = self.places.country[rng.choice(len(self.places), size=customer.size, p=self.places.weight)]
        country = np.where(rng.random(customer.size) < _HOME_COUNTRY_SHARE, home, abroad)
        return self.directory.online(rng, country, sector)

    def bank(self, rng: np.random.Generator, customer: Ints) -> Ints:
        """Return the merchant through which each customer's transfers go."""
        country = self.places.country[self.population.city[customer]]
        return self.directory.online(rng, country, np.full(customer.size, sectors.TRANSFER))

    def habitual(self, rng: np.random.Generator, customer: Ints, *, online: bool) -> Ints:
        """Return one of each customer's favourite merchants."""
        favourites = self.online_favourites if online else self.shop_favourites
        return favourites[customer, geometric_index(rng, customer.size, favourites.shape[1], 0.75)]


def build_world(rng: np.random.Generator, scenario: Scenario) -> World:
    """Build the world of ``scenario``."""
    places = active_places(scenario.merchant_count)
    population = build_population(rng, places, scenario.customer_count)
    directory = build_directory(rng, places, scenario.merchant_count)
    size, everyone = len(population), np.arange(len(population))
    # Money goes to neighbours, to anyone, and to accounts elsewhere (numbers from ``size`` on).
    near = (everyone[:, None] + rng.integers(1, 40, (size, CONTACTS))) % size
    contacts = np.where(rng.random((size, CONTACTS)) < 0.5, near, rng.integers(0, 2 * size, (size, CONTACTS)))
    world = World(
        places=places,
        population=population,
        directory=directory,
        rhythm=Rhythm(scenario.start, scenario.horizon_ms, places.zones),
        trips=build_trips(rng, places, population, scenario.horizon_ms),
        network=Network(rng, places, population, scenario.horizon_ms),
        shop_favourites=np.empty((size, 0), dtype=np.int64),
        online_favourites=np.empty((size, 0), dtype=np.int64),
        contacts=contacts,
    )
    shop = [world.shop(rng, everyone, population.city) for _ in range(SHOP_FAVOURITES)]
    online = [world.shop_online(rng, everyone) for _ in range(ONLINE_FAVOURITES)]
    return replace(world, shop_favourites=np.stack(shop, axis=1), online_favourites=np.stack(online, axis=1))
