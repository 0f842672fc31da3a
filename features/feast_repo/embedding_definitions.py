"""Entities and feature views of embeddings: what the graph of past payments says of each node.

The batch stage writes them, with the time as of which they are; the source behind each view is an empty Parquet file
that names the columns.
"""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Float32, String

from features.embeddings import NODE_TYPES

EMBEDDING = "embedding"
HISTORY = "history.parquet"  # beside feature_store.yaml


def _entity(node_type: str) -> Entity:
    return Entity(
        name=node_type,
        join_keys=[f"{node_type}_key"],
        value_type=ValueType.STRING,
        description=f"{node_type} in the graph of payments, by its key",
    )


def _view(entity: Entity) -> FeatureView:
    return FeatureView(
        name=f"{entity.name}_embedding",
        entities=[entity],
        ttl=timedelta(0),  # never expires: whoever reads it is told as of when it is
        schema=[
            Field(name=entity.join_key, dtype=String),
            Field(name=EMBEDDING, dtype=Array(Float32), description="embedding by the served ring model"),
        ],
        source=FileSource(name=f"{entity.name}_embeddings", path=HISTORY, timestamp_field="event_time"),
        description=f"What the graph of past payments says of one {entity.name}",
    )


NODE_ENTITIES = tuple(_entity(node_type) for node_type in NODE_TYPES)
EMBEDDING_VIEWS = tuple(_view(entity) for entity in NODE_ENTITIES)
