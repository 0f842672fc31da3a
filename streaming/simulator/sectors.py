"""Merchant category codes (ISO 18245): how often, how much, and who is drawn to them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Sector:
    """One merchant category.

    Amounts are log-normal around ``median`` (major units) with shape ``sigma``. ``shop`` and ``online`` weigh how often
    customers buy there in person and at a distance. ``young`` and ``women`` tilt habits: a weight is multiplied by
    exp(tilt * z), z from -1 (oldest band; men) to 1 (youngest band; women).
    """

    mcc: str
    name: str
    median: float
    sigma: float
    shop: float
    online: float
    young: float = 0.0
    women: float = 0.0


SECTORS: tuple[Sector, ...] = (
    Sector("5411", "grocery stores", 27, 0.80, 24, 2.0, -0.1, 0.15),
    Sector("5812", "restaurants", 31, 0.60, 10, 0.0, 0.2),
    Sector("5814", "fast food", 11, 0.45, 11, 4.0, 0.6, -0.1),
    Sector("5541", "service stations", 50, 0.40, 7, 0.0, -0.2, -0.25),
    Sector("5912", "drug stores", 17, 0.70, 5, 1.0, -0.6, 0.3),
    Sector("5311", "department stores", 52, 0.80, 4, 3.0, -0.3, 0.2),
    Sector("5651", "clothing stores", 58, 0.70, 5, 8.0, 0.3, 0.4),
    Sector("5732", "electronics stores", 130, 1.00, 2, 6.0, 0.3, -0.5),
    Sector("5977", "cosmetic stores", 33, 0.60, 2, 3.0, 0.2, 0.9),
    Sector("5942", "book stores", 21, 0.60, 1, 3.0, -0.2, 0.2),
    Sector("5816", "digital games", 14, 0.80, 0, 7.0, 1.0, -0.6),
    Sector("5815", "digital media", 10, 0.45, 0, 6.0, 0.5),
    Sector("4899", "streaming and cable", 13, 0.35, 0, 4.0, 0.3),
    Sector("4814", "telecommunication services", 24, 0.50, 0.5, 3.0),
    Sector("4111", "local passenger transport", 3.4, 0.60, 7, 3.0, 0.5),
    Sector("4121", "taxicabs", 15, 0.50, 2, 4.0, 0.4),
    Sector("4511", "airlines", 180, 0.70, 0, 1.5, 0.1),
    Sector("7011", "hotels", 150, 0.60, 1, 2.0, -0.2),
    Sector("5999", "miscellaneous retail", 29, 0.90, 3, 10.0),
    Sector("5947", "gift shops", 45, 0.60, 0.6, 1.5, 0.0, 0.2),
    Sector("6051", "quasi cash and crypto-assets", 110, 0.90, 0, 0.7, 0.7, -0.7),
    Sector("7995", "betting", 28, 0.90, 0.2, 1.2, 0.2, -0.8),
    Sector("5944", "jewellery stores", 170, 0.90, 0.5, 0.6, 0.0, 0.3),
    Sector("8398", "charities", 22, 0.70, 0, 1.0, -0.5, 0.2),
    Sector("7997", "fitness clubs", 38, 0.40, 0.8, 0.6, 0.4),
    Sector("6011", "cash machines", 85, 0.60, 4, 0.0, -0.5),
    Sector("4829", "money transfers", 65, 1.10, 0, 0.0, 0.3),
)
COUNT = len(SECTORS)
INDEX = {sector.mcc: position for position, sector in enumerate(SECTORS)}
GROCERY, ATM, TRANSFER = INDEX["5411"], INDEX["6011"], INDEX["4829"]
# Where subscriptions are billed, where stolen cards are tried out, and what is easily turned into money.
SUBSCRIPTION = np.array([INDEX[mcc] for mcc in ("4899", "5815", "4814", "7997", "8398", "5816")])
TESTABLE = np.array([INDEX[mcc] for mcc in ("8398", "5815", "5816", "5999", "4814", "5942", "4121")])
RESALE_ONLINE = np.array(
    [INDEX[mcc] for mcc in ("5732", "5947", "5651", "5999", "4511", "6051", "5944", "5816", "5977")]
)
RESALE_SHOP = np.array([INDEX[mcc] for mcc in ("5732", "5651", "5411", "5311", "5541", "5944", "5912", "5999", "5812")])

MEDIAN = np.array([sector.median for sector in SECTORS])
SIGMA = np.array([sector.sigma for sector in SECTORS])
SHOP = np.array([sector.shop for sector in SECTORS])
ONLINE = np.array([sector.online for sector in SECTORS])
YOUNG = np.array([sector.young for sector in SECTORS])
WOMEN = np.array([sector.women for sector in SECTORS])
