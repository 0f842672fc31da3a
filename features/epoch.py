"""Times as whole microseconds since 1970-01-01 UTC, as ledgers, states and kernels keep them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_us(moment: datetime) -> int:
    """Return an aware datetime as whole microseconds since 1970-01-01 UTC, exactly."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_epoch_us(microseconds: int) -> datetime:
    """Return the UTC datetime that `epoch_us` came from."""
    return _EPOCH + timedelta(microseconds=microseconds)
