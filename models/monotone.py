"""Monotone constraints: where the field knows the direction, the trees may not learn the opposite from noise.

The score may only rise with what is known of past fraud at a merchant, a device or an IP address: its delayed fraud
rates, the share of fraud among its last known outcomes and the length of its unbroken run of fraud. More proven fraud
at a place is never a reason to trust it, and an analyst could not defend a decision that says so.

Left free on purpose: a card's and a customer's own fraud history (the card is blocked and issued anew, so later
payments may be the safer ones), counts of labels of either kind, times since the last fraud (missing where there was
none), and everything about amounts and rhythm, where both ends can be suspicious.
"""

from collections.abc import Sequence

from features.catalogue_labels import OUTCOMES

ENTITIES = ("merchant", "device", "ip")
STEMS = ("fraud_rate_", "fraud_share_last_", "fraud_run_length")

RISING = frozenset(
    feature.name
    for feature in OUTCOMES
    if feature.entity in ENTITIES and feature.name.removeprefix(f"{feature.entity}_").startswith(STEMS)
)


def directions(names: Sequence[str]) -> tuple[int, ...]:
    """Return 1 for each feature that the score may only rise with, else 0, in the order of ``names``."""
    return tuple(int(name in RISING) for name in names)
