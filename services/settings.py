"""Settings of every process: read once in ``main``, from the environment and the files it names, and frozen."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from features.errors import ConfigurationError
from services.secret_files import SecretFiles, variable
from streaming.brokers.clients import Client
from streaming.brokers.limits import FETCH_WAIT_MS

Gnn = Literal["stored", "live"]
BATCH = 64
LIVE_BATCH = 32  # takes 25 ms of a core; the stage has 40


class Settings(BaseSettings):
    """What an operator can set. Names in the environment are ``RINGFENCE_<FIELD>`` unless said otherwise.

    A secret may stand in a file instead, which ``<NAME>_FILE`` names. A variable that is empty counts as absent.
    """

    model_config = SettingsConfigDict(
        env_prefix="RINGFENCE_", env_ignore_empty=True, frozen=True, extra="ignore", populate_by_name=True
    )

    state: Path = Field(Path(".ringfence"), description="State directory: token, bundles, feature store, ledger, logs.")
    kafka_bootstrap: str | None = Field(
        None, alias="KAFKA_BOOTSTRAP", description="host:port[,host:port] of a Kafka cluster; needed by the worker."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", alias="KAFKA_SECURITY_PROTOCOL", description="How to speak to Kafka; SASL_SSL in production."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, alias="KAFKA_SASL_MECHANISM", description="How to log in to Kafka."
    )
    kafka_sasl_username: str | None = Field(None, alias="KAFKA_SASL_USERNAME", description="User of the Kafka login.")
    kafka_sasl_password: SecretStr | None = Field(
        None, alias="KAFKA_SASL_PASSWORD", description="Password of the Kafka login."
    )
    kafka_ssl_cafile: Path | None = Field(
        None, alias="KAFKA_SSL_CAFILE", description="PEM file of authorities to trust; the system's when absent."
    )
    kafka_ssl_certfile: Path | None = Field(
        None, alias="KAFKA_SSL_CERTFILE", description="PEM file of our certificate, where Kafka asks for one."
    )
    kafka_ssl_keyfile: Path | None = Field(None, alias="KAFKA_SSL_KEYFILE", description="PEM file of its key.")
    kafka_ssl_key_password: SecretStr | None = Field(
        None, alias="KAFKA_SSL_KEY_PASSWORD", description="Password of that key, if it has one."
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
    redis_password: SecretStr | None = Field(
        None, alias="REDIS_PASSWORD", description="Password of Redis, for a URL that has none."
    )
    redis_ssl_cafile: Path | None = Field(
        None, alias="REDIS_SSL_CAFILE", description="PEM file of authorities to trust; the system's when absent."
    )
    ledger_url: SecretStr | None = Field(
        None, alias="LEDGER_URL", description="SQLAlchemy URL of the ledger; SQLite in the state directory when absent."
    )
    ledger_password: SecretStr | None = Field(
        None, alias="LEDGER_PASSWORD", description="Password of the ledger's database, for a URL that has none."
    )
    token: SecretStr | None = Field(
        None, description="Bearer token of the services; made and kept in the state directory when absent."
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
    refresh_port: int = Field(8084, ge=0, le=65535, description="Port of health and metrics of `rings refresh`.")
    partitions: int = Field(3, ge=1, le=1024, description="Partitions of topics that do not exist yet.")
    batch: int | None = Field(
        None,
        ge=1,
        le=4096,
        description=f"Most records in one micro-batch; {BATCH}, or {LIVE_BATCH} where `live` samples.",
    )
    batch_wait_ms: float = Field(20, ge=0, le=1000, description="How long a micro-batch waits for its first record.")
    store_timeout_ms: float = Field(50, gt=0, description="Share of the 100 ms that reading features may take.")
    gnn: Gnn = Field(
        "stored",
        description="stored: ring scores by the embeddings of the last `rings embed`; live: sampled around each "
        "payment, which needs the extra `gnn`.",
    )
    gnn_device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where `live` samples.")
    gnn_payments: int = Field(1_000_000, ge=1, description="How many of the newest payments `live` looks at, at least.")
    model_budget_ms: float = Field(
        10, gt=0, description="Share of the 100 ms that a model may take; one that takes longer is not promoted."
    )
    allow_past_and_future: bool = Field(
        False, description="Accept event times ahead of the clock, for replaying histories and simulations."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log line.")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _refused(error) from None  # whose text quotes the value, which may be a secret

    @property
    def micro_batch(self) -> int:
        """Most records in one micro-batch."""
        return self.batch or (LIVE_BATCH if self.gnn == "live" else BATCH)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the base class names them)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, then the files that it names."""
        return init_settings, env_settings, SecretFiles(settings_cls)


def _refused(error: ValidationError) -> ConfigurationError:
    """The error for values that no setting takes; it names variables and quotes none."""
    prefix = str(Settings.model_config["env_prefix"])
    fields = {field.alias or name: variable(field, name, prefix) for name, field in Settings.model_fields.items()}
    problems = [
        f"{fields.get(str(one['loc'][0]), str(one['loc'][0]))}: {one['msg'][:1].lower()}{one['msg'][1:]}"
        for one in error.errors(include_input=False, include_url=False)
    ]
    return ConfigurationError(f"Settings that cannot be used: {'; '.join(problems)}.", remedy="Correct or unset them.")
