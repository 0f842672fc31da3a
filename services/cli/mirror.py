"""Shows in MLflow's register which bundles are champion and challenger; the registry in the state directory decides."""

from features.errors import RingfenceError
from services.cli.output import progress, say
from services.extras import has_train
from services.registry import read_registry
from services.settings import Settings
from services.state_directory import StateDirectory


def mirror_aliases(state: StateDirectory, settings: Settings) -> None:
    """Point MLflow's aliases at what the registry names, where runs are tracked; what fails is told and no more."""
    if not has_train() or not (settings.tracking_uri or state.runs.exists()):
        return
    from services.tracking import open_tracking  # noqa: PLC0415 the extra `train` only

    registry = read_registry(state)
    uri = settings.tracking_uri.get_secret_value() if settings.tracking_uri else None
    try:
        with progress("showing it in MLflow"):
            tracking = open_tracking(state, uri)
            for alias, version in (("champion", registry.champion), ("challenger", registry.challenger)):
                tracking.mirror_alias(alias, version)
    except RingfenceError as error:
        say(f"MLflow does not show it: {error}")
