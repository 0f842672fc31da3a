"""What planted rings look like: how large, how densely linked, how well hidden."""

from dataclasses import dataclass

from features.errors import ConfigurationError

MOST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RingShape:
    """Ranges (least, most) that each ring is drawn from.

    ``payments`` are a member's on average, below the second number. The fewer ``devices`` and ``addresses`` a ring
    shares, the denser it is. A member makes the share ``camouflage`` of its payments from its own phone; where
    ``own_addresses``, from its own address too. The share ``hidden`` of the addresses are a mobile carrier's, which
    honest customers use as well.

    In a ``chain`` (`streaming.simulator.campaigns_chain`) members share devices in pairs, in honest payments alone, and
    steal one after the other, each from its own phone and address; of the above it needs ``members`` and ``payments``.
    """

    members: tuple[int, int] = (3, 7)
    payments: tuple[int, int] = (3, 5)
    devices: tuple[int, int] = (1, 3)
    addresses: tuple[int, int] = (2, 4)
    camouflage: float = 0.15
    own_addresses: bool = False
    hidden: float = 0.3
    chain: bool = False

    def __post_init__(self) -> None:
        for name, least in (("members", 2), ("payments", 1), ("devices", 1), ("addresses", 1)):
            low, high = getattr(self, name)
            if not least <= low <= high <= MOST or (name == "payments" and low == high):
                raise ConfigurationError(
                    f"Rings cannot be planted: {name} is {low} to {high}.",
                    remedy=f"Give a range of whole numbers within {least} to {MOST}.",
                )
        for name in ("camouflage", "hidden"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(
                    f"Rings cannot be planted: {name} is {getattr(self, name)!r}.", remedy="Give a share of 0 to 1."
                )


CHAINS = RingShape(members=(5, 9), payments=(2, 4), chain=True)  # rings that only friends of friends give away
