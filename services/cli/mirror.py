"""Runs and champions in MLflow, as the settings say; the registry in the state directory decides."""

from typing import TYPE_CHECKING

from features.errors import RingfenceError
from services.cli.output import progress, say
from services.extras import has_train
from services.registry import read_registry
from services.settings import Settings
from services.state_directory import StateDirectory

if TYPE_CHECKING:
    from services.tracking import Tracking


def open_configured(state: StateDirectory, settings: Settings) -> "Tracking":
    """Open the tracking that the settings name, or that of the state directory."""
    from services.tracking import open_tracking  # noqa: PLC0415 the extra `train` only

    return open_tracking(state, settings.tracking_uri.get_secret_value() if settings.tracking_uri else None)


def mirror_aliases(state: StateDirectory, settings: Settings, tracking: "Tracking | None" = None) -> None:
    """Point MLflow's aliases at what the registry names, where runs are tracked; what fails is told and no more.

    ``tracking`` is the configured one where it is open already.
    """
    if not has_train() or not (settings.tracking_uri or state.runs.exists()):
        return
    registry = read_registry(state)
    try:
        with progress("showing it in MLflow"):
            tracking = tracking or open_configured(state, settings)
            for alias, version in (("champion", registry.champion), ("challenger", registry.challenger)):
                tracking.mirror_alias(alias, version)
    except RingfenceError as error:
        say(f"MLflow does not show it: {error}")
