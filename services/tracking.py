"""MLflow: the record of training runs and the register of bundles. The only module that knows MLflow.

MLflow is imported when a tracking is opened, never in serving. It is used through its client alone: the convenience
layer above would ask git for a commit and keep global state. Its telemetry is switched off before it is imported.
"""

import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from features.errors import ConfigurationError, StateError, TrackingUnavailable
from services.extras import INSTALL_TRAIN
from services.run_record import RunRecord
from services.state_directory import StateDirectory

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "ringfence"  # of the experiment and of the registered model
BUNDLE_TAG = "bundle_version"
# Without it, MLflow's pages take runs for those of a language model.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
# A server that is away fails in seconds; by default MLflow tries for many minutes.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
_REMEDY = "Check MLFLOW_TRACKING_URI, or leave tracking out with --no-track."


@dataclass(frozen=True, slots=True)
class Tracked:
    """Where a run was recorded: its id, and the number of its bundle in the register."""

    run_id: str
    registered: int


class Tracking:
    """Runs and registered bundles at one tracking URI."""

    def __init__(self, client: "MlflowClient", files: str | None) -> None:
        self._client = client
        self._files = files

    def record(self, record: RunRecord) -> Tracked:
        """Record one training run and register its bundle, once a version. Raises `TrackingUnavailable`."""
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 see above

        with _errors():
            now = int(time.time() * 1000)
            run = self._client.create_run(self._experiment(), run_name=record.version)
            run_id = run.info.run_id
            try:
                self._client.log_batch(
                    run_id,
                    metrics=[Metric(name, value, now, 0) for name, value in record.metrics.items()],
                    params=[Param(name, value) for name, value in record.parameters.items()],
                    tags=[RunTag(name, value) for name, value in record.tags.items()],
                )
                for name, text in record.texts.items():
                    self._client.log_text(run_id, text, name)
                registered = self._register(record, run_id)
            except BaseException:
                self._client.set_terminated(run_id, "FAILED")
                raise
            self._client.set_terminated(run_id, "FINISHED")
        return Tracked(run_id, registered)

    def mirror_alias(self, alias: str, version: str | None) -> None:
        """Point an alias ("champion", "challenger") at the registered bundle of this version; None takes it away.

        Raises `StateError` for a bundle that was never registered, `TrackingUnavailable` when MLflow does not answer.
        """
        with _errors():
            if version is None:
                self._client.delete_registered_model_alias(NAME, alias)
                return
            number = self._registered(version)
            if number is None:
                raise StateError(
                    f"Bundle {version} is not registered in MLflow, so {alias} was not set there.",
                    remedy="Train it with tracking; the alias in the state directory is not affected.",
                )
            self._client.set_registered_model_alias(NAME, alias, str(number))

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(NAME)
        if found:
            return found.experiment_id
        return self._client.create_experiment(NAME, artifact_location=self._files, tags=EXPERIMENT_TAGS)

    def _register(self, record: RunRecord, run_id: str) -> int:
        number = self._registered(record.version)
        if number is not None:
            return number
        if not self._client.search_registered_models(f"name = '{NAME}'"):
            self._client.create_registered_model(NAME, description="Model bundles of Ringfence.")
        made = self._client.create_model_version(
            NAME, source=record.bundle.as_uri(), run_id=run_id, tags={BUNDLE_TAG: record.version}
        )
        return int(made.version)

    def _registered(self, version: str) -> int | None:
        found = self._client.search_model_versions(f"name = '{NAME}' and tags.{BUNDLE_TAG} = '{version}'")
        return int(found[0].version) if found else None


def open_tracking(state: StateDirectory, uri: str | None = None) -> Tracking:
    """Open the tracking at ``uri``, or the SQLite database in the state directory.

    Files of runs go where the server keeps them, or into the state directory where ``uri`` is a database. Raises
    `ConfigurationError` where MLflow is not installed, `TrackingUnavailable` when it does not answer.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between MLflow and SQLAlchemy are not ours to mend
        try:
            from mlflow import MlflowClient  # noqa: PLC0415 see above
        except ImportError:
            raise ConfigurationError("MLflow is not installed.", remedy=INSTALL_TRAIN) from None
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of each table that it creates
        chosen = uri or f"sqlite:///{state.runs}"
        with _errors():
            client = MlflowClient(tracking_uri=chosen, registry_uri=chosen)
    is_server = chosen.startswith(("http://", "https://"))
    return Tracking(client, None if is_server else state.run_files.as_uri())


@contextmanager
def _errors() -> Iterator[None]:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 see above
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 MLflow lets it through when it opens a database

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:300].rstrip(".")
        raise TrackingUnavailable(f"MLflow failed: {reason}.", remedy=_REMEDY) from error
