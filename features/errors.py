"""Every error that Ringfence raises on purpose.

    RingfenceError
    ├── InvalidInput            a message or request that breaks its schema; names the field
    │   ├── InvalidTransaction
    │   └── InvalidLabel
    ├── DuplicateConflict       a known transaction id with different content
    ├── Superseded              another worker has gone on with a partition
    ├── ConfigurationError      a setting, file or option that cannot work
    ├── DataError               a data set that cannot be mapped, trained on or evaluated
    ├── StateError              a damaged or foreign state directory, feature state or ledger
    ├── BundleError             a model bundle that must not be served
    └── Unavailable             a dependency that does not answer
        ├── StoreUnavailable
        │   └── StoreEmptied
        ├── BrokerUnavailable
        │   └── MessageTooLarge
        ├── LedgerUnavailable
        └── TrackingUnavailable

Domain errors know nothing of HTTP or Kafka; the edges map them. Every message says what was wrong and where,
and ``remedy`` says what to do about it. Messages never contain a card number.
"""


class RingfenceError(Exception):
    """Root of the tree: ``message`` says what and where, ``remedy`` says what to do."""

    code = "error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class InvalidInput(RingfenceError):
    """A message that breaks its schema. ``code`` is stable and machine-readable; ``field`` is the JSON path."""

    def __init__(self, code: str, message: str, *, field: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.field = field


class InvalidTransaction(InvalidInput):
    """A transaction that cannot be scored."""


class InvalidLabel(InvalidInput):
    """A label that cannot be recorded."""


class DuplicateConflict(RingfenceError):
    """A transaction id that was decided before, now with different content."""

    code = "duplicate_conflict"


class Superseded(RingfenceError):
    """Another worker has gone on with what this one was about to record."""

    code = "superseded"


class ConfigurationError(RingfenceError):
    """A setting, file or option that cannot work."""

    code = "configuration"


class DataError(RingfenceError):
    """A data set that cannot be mapped, trained on or evaluated."""

    code = "data"


class StateError(RingfenceError):
    """A damaged or foreign state directory, packed feature state or ledger."""

    code = "state"


class BundleError(RingfenceError):
    """A model bundle that must not be served: wrong hash, wrong features, wrong format."""

    code = "bundle"


class Unavailable(RingfenceError):
    """A dependency that does not answer."""

    code = "unavailable"


class StoreUnavailable(Unavailable):
    """The online feature store does not answer."""

    code = "store_unavailable"


class StoreEmptied(StoreUnavailable):
    """The online feature store answers, but has lost the states it held."""

    code = "store_emptied"


class BrokerUnavailable(Unavailable):
    """The message broker does not answer or refused a record."""

    code = "broker_unavailable"


class MessageTooLarge(BrokerUnavailable):
    """The message broker refused a record for its size; the same again will be refused again."""

    code = "message_too_large"


class LedgerUnavailable(Unavailable):
    """The ledger does not answer."""

    code = "ledger_unavailable"


class TrackingUnavailable(Unavailable):
    """The tracking server of training runs does not answer, or what it keeps cannot be used."""

    code = "tracking_unavailable"
