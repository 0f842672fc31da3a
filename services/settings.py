"""Settings of every process: read once in ``main``, from the environment, and frozen."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from streaming.brokers.clients import Client
from streaming.brokers.limits import FETCH_WAIT_MS


class Settings(BaseSettings):
    """What an operator can set. Names in the environment are ``RINGFENCE_<FIELD>`` unless said otherwise."""

    model_config = SettingsConfigDict(env_prefix="RINGFENCE_", frozen=True, extra="ignore", populate_by_name=True)

    state: Path = Field(Path(".ringfence"), description="State directory: token, bundles, feature store, ledger, logs.")
    kafka_bootstrap: str | None = Field(
        None, alias="KAFKA_BOOTSTRAP", description="host:port[,host:port] of a Kafka cluster; needed by the worker."
    )
    kafka_client: Client = Field(
        "kafka-python", description="kafka-python, or confluent: takes a fraction of the CPU, needs the extra `fast`."
    )
    fetch_wait_ms: int = Field(
        FETCH_WAIT_MS, ge=0, le=10_000, description="How long the broker may hold a fetch back for want of messages."
    )
    kafka_home: Path | None = Field(
        None, alias="KAFKA_HOME", description="Apache Kafka 4.x distribution that `demo --broker kafka` starts."
    )
    redis_url: SecretStr | None = Field(
        None, alias="REDIS_URL", description="redis:// or rediss:// URL of the online store; SQLite when absent."
    )
    ledger_url: SecretStr | None = Field(
        None, alias="LEDGER_URL", description="SQLAlchemy URL of the ledger; SQLite in the state directory when absent."
    )
    tracking_uri: SecretStr | None = Field(
        None,
        alias="MLFLOW_TRACKING_URI",
        description="MLflow server or database of training runs; SQLite in the state directory when absent.",
    )
    host: str = Field("127.0.0.1", description="Address that services listen on.")
    score_port: int = Field(8080, ge=0, le=65535, description="Port of `serve score`; 0 takes a free one.")
    explain_port: int = Field(8081, ge=0, le=65535, description="Port of `serve explain`; 0 takes a free one.")
    rings_port: int = Field(8083, ge=0, le=65535, description="Port of `serve rings`; 0 takes a free one.")
    worker_port: int = Field(8082, ge=0, le=65535, description="Port of the worker's health and metrics.")
    partitions: int = Field(3, ge=1, le=1024, description="Partitions of topics that do not exist yet.")
    batch: int = Field(64, ge=1, le=4096, description="Most records in one micro-batch.")
    store_timeout_ms: float = Field(50, gt=0, description="Share of the 100 ms that reading features may take.")
    model_budget_ms: float = Field(
        10, gt=0, description="Share of the 100 ms that a model may take; one that takes longer is not promoted."
    )
    allow_past_and_future: bool = Field(
        False, description="Accept event times ahead of the clock, for replaying histories and simulations."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log line.")
