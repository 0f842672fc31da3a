"""Entities and feature views of the online store: one packed state per card, merchant, device, ip and customer.

A state is the running summary that transactions are folded into; to Feast it is opaque bytes. The streaming worker
pushes states, so the batch source behind every view is an empty Parquet file that names the columns and nothing more.
"""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Bytes, String

HISTORY = "history.parquet"  # beside feature_store.yaml


def _entity(name: str, join_key: str, meaning: str) -> Entity:
    return Entity(name=name, join_keys=[join_key], value_type=ValueType.STRING, description=meaning)


def _view(entity: Entity) -> FeatureView:
    history = FileSource(name=f"{entity.name}_history", path=HISTORY, timestamp_field="event_time")
    return FeatureView(
        name=f"{entity.name}_state",
        entities=[entity],
        ttl=timedelta(0),  # never expires: an old state is still what is known of the entity
        schema=[
            Field(name=entity.join_key, dtype=String),
            Field(name="state", dtype=Bytes, description="packed state; its format is Ringfence's own"),
        ],
        source=PushSource(name=f"{entity.name}_push", batch_source=history),
        description=f"What the features remember of one {entity.name}",
    )


card = _entity("card", "card_id", "payment card, by token")
merchant = _entity("merchant", "merchant_id", "merchant or terminal that takes the payment")
device = _entity("device", "device_id", "device that the payment was made from")
ip = _entity("ip", "ip", "address that the payment was made from")
customer = _entity("customer", "customer_id", "customer who holds the card")

card_state = _view(card)
merchant_state = _view(merchant)
device_state = _view(device)
ip_state = _view(ip)
customer_state = _view(customer)

ENTITY_DEFINITIONS = (card, merchant, device, ip, customer)
VIEWS = (card_state, merchant_state, device_state, ip_state, customer_state)
