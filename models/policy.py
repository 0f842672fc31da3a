"""The policy: from a calibrated score to approve, review or decline, in a versioned file with the costs behind it."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from features.durable import replace_file
from features.errors import ConfigurationError
from models.decision import Verdict

FORMAT = 1
_REMEDY = "Mend the policy file or choose a new policy with `ringfence train`."


class Costs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What decisions cost, in major units of the currency that amounts are in.

    ``fraud_loss_share``: part of an undetected fraud's amount that is lost. ``review_cost``: an analyst's time for one
    review. ``catch_rate``: part of reviewed frauds that the analyst stops. ``false_decline_cost``: lost margin and
    goodwill of one genuine payment declined, plus ``false_decline_share`` of its amount.
    """

    fraud_loss_share: float = 1.0
    review_cost: float = 4.0
    catch_rate: float = 0.9
    false_decline_cost: float = 20.0
    false_decline_share: float = 0.0

    def __post_init__(self) -> None:
        for name in ("fraud_loss_share", "review_cost", "catch_rate", "false_decline_cost", "false_decline_share"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name == "catch_rate" and value > 1):
                raise ConfigurationError(
                    f"Policy cost {name} is {value}; it must be a number from 0"
                    f"{' to 1' if name == 'catch_rate' else ''}.",
                    remedy=_REMEDY,
                )


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds on the score: from ``review`` up a payment is reviewed, from ``decline`` up it is declined.

    ``number`` is the edition, raised by whoever edits the file. ``review_amount`` sends payments of that amount or more
    to review whatever their score (None: no such rule). ``tolerated`` names degraded stages that alone do not force a
    review. Raises `ConfigurationError` when built with values that make no sense.
    """

    format: int = FORMAT
    number: int = 1
    review: float
    decline: float
    review_amount: float | None = None
    tolerated: tuple[str, ...] = ()
    costs: Costs

    def __post_init__(self) -> None:
        # Written so that NaN fails every comparison.
        if not 0 < self.review <= self.decline <= 1:
            raise ConfigurationError(
                f"Policy thresholds must satisfy 0 < review <= decline <= 1; got review {self.review}, "
                f"decline {self.decline}.",
                remedy=_REMEDY,
            )
        if self.review_amount is not None and not self.review_amount > 0:
            raise ConfigurationError(
                f"Policy review_amount is {self.review_amount}; it must be above 0 or absent.", remedy=_REMEDY
            )

    @property
    def version(self) -> str:
        """Number and short content hash, for example ``3-91b2c4d7``: the same rules have the same hash."""
        rules = msgspec.json.encode(msgspec.structs.replace(self, number=0), order="sorted")
        return f"{self.number}-{hashlib.sha256(rules).hexdigest()[:8]}"

    def decide(self, score: float, amount: float, degraded: Sequence[str] = ()) -> Verdict:
        """Decide on a calibrated probability and an amount in major units.

        A payment scored without one of its stages (``degraded``), or without a usable score, is at least reviewed:
        what was not looked at is never approved.
        """
        if score >= self.decline:
            return "decline"
        blind = math.isnan(score) or any(stage not in self.tolerated for stage in degraded)
        large = self.review_amount is not None and amount >= self.review_amount
        return "review" if blind or large or score >= self.review else "approve"


def load_policy(path: Path) -> Policy:
    """Read a policy file (JSON); raise `ConfigurationError` that names the file and what is wrong in it."""
    try:
        policy = msgspec.json.decode(path.read_bytes(), type=Policy)
    except OSError as error:
        raise ConfigurationError(f"The policy file {path} cannot be read: {error.strerror}.", remedy=_REMEDY) from error
    except (msgspec.DecodeError, UnicodeDecodeError, ConfigurationError) as error:
        reason = error.message if isinstance(error, ConfigurationError) else f"{error}."
        raise ConfigurationError(f"The policy file {path} is wrong: {reason}", remedy=_REMEDY) from error
    if policy.format != FORMAT:
        raise ConfigurationError(
            f"The policy file {path} has format {policy.format}; this version reads {FORMAT}.", remedy=_REMEDY
        )
    return policy


def save_policy(path: Path, policy: Policy) -> None:
    """Write a policy file, for people to read and edit; replaced in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, msgspec.json.format(msgspec.json.encode(policy), indent=2) + b"\n")
