"""The limits of a model, found in its figures wherever they show there."""

from collections.abc import Iterator

from models.assessment import Assessment
from models.manifest import DataSummary
from models.segments import OPTIONAL
from models.stability import SHIFTED

FEW_FRAUDS = 200
MIN_WEEKS = 4
WEAK_RECALL = 0.5
MIN_CAMPAIGN = 10
FAIR = (0.8, 1.25)  # of calibration slope and of expected to observed frauds
SHOWN = 12


def limits_of(found: Assessment, data: DataSummary) -> Iterator[str]:
    """Yield one plain sentence or two for each limit, those that the figures show first."""
    yield from _of_the_window(found)
    yield from _of_the_model(found)
    yield from _always(data)


def _of_the_window(found: Assessment) -> Iterator[str]:
    frauds, days = int(found.figures.values["n_fraud"]), (found.end - found.start).total_seconds() / 86_400
    if not found.unseen:
        yield (
            "No later labelled window with both classes was left to test on. The figures come from the window that the "
            "calibration and the policy's thresholds were chosen on, and flatter the model."
        )
    if frauds < FEW_FRAUDS:
        yield f"The window holds {frauds} frauds only: intervals are wide."
    if days < MIN_WEEKS * 7:
        yield f"The window is {days:.0f} days long: seasons, holidays and slow changes are not seen in it."
    if found.unlabelled:
        yield f"{found.unlabelled:,} transactions of the window have no label and are left out."
    if found.currency is None:
        yield "Amounts are in several currencies and were added up as they are: take sums of money as rough."
    small = sum(segment.too_small for segment in found.segments)
    if small:
        yield f"{small} of {len(found.segments)} segments have too few frauds to be judged."
    given = {segment.kind for segment in found.segments}
    absent = [kind for kind in OPTIONAL if kind not in given]
    if absent:
        yield f"The data do not say: {', '.join(absent)}. Performance by it is unknown."


def _of_the_model(found: Assessment) -> Iterator[str]:
    if found.idle:
        more = f" and {len(found.idle) - SHOWN} more" if len(found.idle) > SHOWN else ""
        yield (
            f"{len(found.idle)} features never vary in the window, most likely because the data lack what they are "
            f"made of: {', '.join(found.idle[:SHOWN])}{more}. What they would contribute is untested."
        )
    low, high = FAIR
    if not low <= found.expected_to_observed <= high:
        yield (
            f"The scores add up to {found.expected_to_observed:.2f} times the frauds that happened: on this window "
            "they are not probabilities as they stand."
        )
    if not low <= found.line.slope <= high:
        extreme = "too extreme" if found.line.slope < low else "too timid"
        yield f"The calibration slope is {found.line.slope:.2f}: scores are {extreme} on this window."
    shifted = [week for week in found.weeks if week.psi > SHIFTED]
    if shifted:
        yield (
            f"Scores have shifted (PSI above {SHIFTED}) in {len(shifted)} of {len(found.weeks)} weeks against "
            f"{found.reference}: thresholds chosen before may not fit."
        )
    for kind in found.campaigns:
        if kind.transactions >= MIN_CAMPAIGN and kind.caught < WEAK_RECALL:
            spoken = kind.campaign.replace("_", " ")
            yield f"Of {kind.transactions:,} {spoken} transactions only {kind.caught:.0%} are reviewed or declined."
    if found.figures.values["money_saved"] <= 0:
        yield "Under this policy's costs the model costs more than it saves on this window."


def _always(data: DataSummary) -> Iterator[str]:
    yield (
        f"It has learnt from {data.frauds:,} labelled frauds. A kind of fraud that is not among them, or that nobody "
        "reported, it can only catch by resemblance."
    )
    yield (
        "A genuine payment here is one that nobody reported as fraud in time. Payments that were declined in the past "
        "have no true outcome; if the data hold such, what would have become of them is not known."
    )
    yield "Attributions describe the model, not causes: a strong feature is not a reason why somebody commits fraud."
