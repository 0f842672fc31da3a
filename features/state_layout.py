"""Where everything lies in an entity's state: all of it is 64-bit words, in memory and packed.

A state is a header, the remembered transactions ordered by event time (ties in order of arrival), the remembered
outcomes (labelled transactions) ordered by their event time, and tiles: coarse sums that take over where an entity has
more transactions or outcomes inside a window than it remembers. Last come the markers, which say for every source of
events how far it has been applied. Reals are stored as the bits of a float64, times as
microseconds since 1970 UTC.

Windows are exact while what lies inside them is remembered: `EVENT_LIMIT` transactions and `OUTCOME_LIMIT` outcomes an
entity. What falls out beyond that goes into tiles, `TILES` to a window, and then a window's edge is off by less than a
tile. Whatever is older than `HORIZON_US` before the newest is forgotten, but for the last `KEPT` ones. That is
`ALLOWED_LATENESS_US` more than the longest window, and `RINGS` keeps tiles for as long, so that events that come late
by no more find their windows, too.
"""

from features.store import Entity

MICROSECONDS = 1_000_000
HOUR_US = 3600 * MICROSECONDS
DAY_US = 24 * HOUR_US
WINDOW_US = (HOUR_US, DAY_US, 7 * DAY_US, 30 * DAY_US)
LABEL_WINDOW_US = (DAY_US, 7 * DAY_US, 30 * DAY_US)
ALLOWED_LATENESS_US = DAY_US
HORIZON_US = WINDOW_US[-1] + ALLOWED_LATENESS_US

ENTITY_CODES: dict[Entity, int] = {"card": 0, "merchant": 1, "device": 2, "ip": 3, "customer": 4}
CARD, MERCHANT, DEVICE, IP, CUSTOMER = range(5)
EVENT_LIMIT = (256, 512, 256, 256, 256)  # remembered transactions, by entity code
OUTCOME_LIMIT = (128, 256, 128, 128, 128)  # remembered outcomes, by entity code
KEPT = 32  # the last so many transactions and outcomes are remembered whatever their age

NUMBER_BITS = 44  # of a seq, below its source: 1.7e13 events a source, half a million sources

PREFIX = 1  # words before a packed state: magic, version, entity code and checksum

# Header words. Those from PACKED_HEADER on exist in memory only.
H_MARKERS = 0  # sources that have been applied: each has a marker, the seq of its last event
H_FIRST_SEEN = 1  # oldest event time applied
H_NEWEST = 2  # newest event time applied
H_TOTAL = 3  # transactions ever applied
H_EVENTS = 4  # transactions remembered
H_NEWEST_LABEL = 5  # newest label time applied
H_LABELLED = 6  # outcomes ever known
H_FRAUDS = 7  # of which fraud
H_OUTCOMES = 8  # outcomes remembered
H_TILED = 9  # 1: event tiles follow, 2: outcome tiles follow
H_LOCATED = 10  # event time of the newest transaction with a place, 0 if none
H_LATITUDE = 11
H_LONGITUDE = 12
PACKED_HEADER = 13
H_EVENT_START = 13  # how far the remembered transactions have slid in their section
H_OUTCOME_START = 14
HEADER = 16
TILED_EVENTS, TILED_OUTCOMES = 1, 2

# A remembered transaction. Word 2 of a card's: merchant | device << 32; of other entities': card.
# Word 3, cards only: the codes below, each 0 where missing.
E_TIME, E_AMOUNT, E_OTHERS, E_CODES = range(4)
EVENT_WORDS = (4, 3, 3, 3, 3)  # by entity code
MERCHANT_SHIFT, DEVICE_SHIFT, HASH_MASK = 0, 32, (1 << 32) - 1
MCC_SHIFT, MCC_MASK = 0, (1 << 14) - 1
COUNTRY_SHIFT, COUNTRY_MASK = 14, (1 << 10) - 1
CURRENCY_SHIFT, CURRENCY_MASK = 24, (1 << 15) - 1

# A remembered outcome: O_WHICH is hash of the transaction id << 1 | is_fraud.
O_TIME, O_LABEL_TIME, O_WHICH, OUTCOME_WORDS = range(4)

# A tile: what happened in [n, n + 1) tile widths since 1970. Number n lies at place n % ring of its window's ring.
TILES = 24
X_COUNT, X_SUM, X_SQUARES, X_MAX, X_NEWEST, TILE_WORDS = range(6)


def _ring(window_us: int) -> int:
    """How many tiles of a window are kept: for the latest of late reads, back to where it looks for them.

    That is its old edge, or the beginning of the widest tile, where hourly tiles stand in for what is not over yet.
    An hour's are kept for events in order only: a day of them would be 600.
    """
    if window_us < ALLOWED_LATENESS_US:
        return TILES + 1
    reach = ALLOWED_LATENESS_US + max(window_us, WINDOW_US[-1] // TILES)
    return 1 - (-reach * TILES // window_us)


RINGS = tuple(_ring(window) for window in WINDOW_US)
LABEL_RINGS = tuple(_ring(window) for window in LABEL_WINDOW_US)
EVENT_TILE_WORDS = sum(RINGS) * TILE_WORDS
OUTCOME_TILE_WORDS = sum(LABEL_RINGS) * TILE_WORDS

# A row of the slot table, which says where a slot's sections begin in the arena; -1 where it has no tiles.
(
    T_ENTITY,
    T_HEADER,
    T_EVENTS,
    T_EVENT_ROOM,
    T_OUTCOMES,
    T_OUTCOME_ROOM,
    T_EVENT_TILES,
    T_OUTCOME_TILES,
    T_MARKERS,
    TABLE,
) = range(10)

# Columns of the kernel's input. Codes and hashes are 0 where missing.
(
    I_KIND,  # 0 transaction, 1 label
    I_SEQ,
    I_TIME,  # event time
    I_LABEL_TIME,
    I_WHICH,  # as O_WHICH
    I_CARD,
    I_MERCHANT,
    I_DEVICE,
    I_MCC,
    I_COUNTRY,
    I_CURRENCY,
    I_CHANNEL,
    I_ENTRY_MODE,
    INTEGERS,
) = range(14)
TRANSACTION, LABEL = 0, 1
R_AMOUNT, R_LATITUDE, R_LONGITUDE, REALS = range(4)

# What the kernel reports of a transaction; F_APPLIED, F_COLD and F_ABSENT are shifted by the entity code.
F_LATE, F_TOO_LATE, F_APPLIED, F_COLD, F_ABSENT = 1, 1 << 1, 1 << 2, 1 << 7, 1 << 12
F_MISSING = 1 << 17  # shifted by the place in MISSING_INTEGERS, then in MISSING_REALS
MISSING_INTEGERS = (I_MCC, I_COUNTRY, I_CHANNEL, I_ENTRY_MODE)
MISSING_REALS = (R_LATITUDE, R_LONGITUDE)
