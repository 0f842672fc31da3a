"""Which bundle and policy of a state directory are served."""

from datetime import datetime
from pathlib import Path

from features.catalogue import NAMES
from features.durable import replace_file
from features.errors import StateError
from models.bundle import Bundle, load_bundle
from models.bundle_writer import BundleParts, save_bundle
from models.policy import Policy, load_policy, save_policy
from services.state_directory import StateDirectory

_TRAIN = "Train a model first: `ringfence train --data FILE`, or see `ringfence demo`."


def install(state: StateDirectory, parts: BundleParts, policy: Policy, now: datetime) -> Bundle:
    """Write a trained bundle and its policy and make them the ones that are served from the next start on."""
    staged = save_bundle(state.bundles / "new", parts, created_at=now)
    directory = state.bundles / staged.version
    if not directory.exists():
        (state.bundles / "new").rename(directory)
    bundle = load_bundle(directory, expect_features=NAMES)
    save_policy(state.policy, policy)
    replace_file(_pointer(state), f"{bundle.version}\n".encode())
    return bundle


def champion(state: StateDirectory) -> Bundle:
    """Load the bundle that is served; raises `StateError` when there is none, `BundleError` when it is damaged."""
    return bundle_of(state, champion_version(state))


def bundle_of(state: StateDirectory, version: str) -> Bundle:
    """Load one bundle by version."""
    return load_bundle(state.bundles / version, expect_features=NAMES)


def champion_version(state: StateDirectory) -> str:
    """Return the version of the bundle that is served."""
    try:
        version = _pointer(state).read_text().strip()
    except FileNotFoundError:
        raise StateError(f"There is no model in {state.path} yet.", remedy=_TRAIN) from None
    if not version or "/" in version or version.startswith("."):
        raise StateError(
            f"{_pointer(state)} does not name a bundle.",
            remedy=f"Write the name of one of the directories in {state.bundles} into it, or train again.",
        )
    return version


def policy(state: StateDirectory) -> Policy:
    """Load the policy that is applied."""
    return load_policy(state.policy)


def _pointer(state: StateDirectory) -> Path:
    return state.bundles / "champion"
