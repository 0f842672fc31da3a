"""The feature view over a back-filled history: every feature of the catalogue as of each transaction.

Only for `get_historical_features`, never served online. It exists once there is a history, so it takes the place of
the Parquet parts.
"""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, String

from features.catalogue import FEATURES

TRANSACTION_FEATURES = "transaction_features"


def transaction_features(parts: str) -> tuple[Entity, FeatureView]:
    """Return the entity and the view over the directory ``parts``."""
    transaction = Entity(
        name="transaction",
        join_keys=["transaction_id"],
        value_type=ValueType.STRING,
        description="payment, by the id of its sender",
    )
    view = FeatureView(
        name=TRANSACTION_FEATURES,
        entities=[transaction],
        ttl=timedelta(0),
        schema=[
            Field(name="transaction_id", dtype=String),
            *(Field(name=feature.name, dtype=Float32, description=feature.meaning) for feature in FEATURES),
        ],
        source=FileSource(name="transaction_history", path=parts, timestamp_field="event_timestamp"),
        online=False,
        description="Features as of just before each transaction of the back-filled history",
    )
    return transaction, view
