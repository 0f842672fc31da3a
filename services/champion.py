"""Bundles and their policies in a state directory: storing them, loading them, and which pair is served.

A policy belongs to a version, for its thresholds are scores of that model: both change places together.
"""

import dataclasses
import re
import secrets
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from features.catalogue import NAMES
from features.durable import sync
from features.errors import BundleError, ConfigurationError, StateError
from models.bundle import Bundle, load_bundle
from models.bundle_writer import BundleParts, save_bundle
from models.policy import Policy, load_policy, save_policy
from models.rings.scorer import HeadScorer, ServedNetwork
from services.registry import Alias, Registry, change_registry, locked, read_registry
from services.state_directory import StateDirectory

if TYPE_CHECKING:
    from models.rings.bundle import RingBundle

_TRAIN = "Train a model first: `ringfence train --data FILE`, or see `ringfence demo`."
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Served(NamedTuple):
    """A model and the policy that goes with it."""

    bundle: Bundle
    policy: Policy


def install(state: StateDirectory, parts: BundleParts, policy: Policy, now: datetime) -> tuple[Bundle, Alias]:
    """Store a trained bundle with its policy; the first of a state directory is its champion, any other challenger.

    Return the bundle and what it is now. A version that is there already keeps its policy, which somebody may have
    edited, and a champion stays champion.
    """
    version = _store(state, parts, policy, now)

    def enlist(before: Registry) -> Registry:
        if before.champion is None:
            return before.changed("champion", version, at=now, action="install", reason="first model")
        if version in (before.champion, before.challenger):
            return before
        return before.changed("challenger", version, at=now, action="install", reason="trained")

    after = change_registry(state, enlist)
    return bundle_of(state, version), "champion" if after.champion == version else "challenger"


def champion(state: StateDirectory) -> Bundle:
    """Load the bundle that is served; raises `StateError` when there is none, `BundleError` when it is damaged."""
    return bundle_of(state, champion_version(state))


def policy(state: StateDirectory) -> Policy:
    """Load the policy that is applied."""
    return policy_of(state, champion_version(state))


def served(state: StateDirectory, version: str | None = None) -> Served:
    """Load a version, the champion if none is named, and its policy."""
    version = version or champion_version(state)
    return Served(bundle_of(state, version), policy_of(state, version))


def bundle_of(state: StateDirectory, version: str) -> Bundle:
    """Load one bundle by version, and the ring network it takes a score from, if any.

    Raises `BundleError` for one that is damaged, or that is another version's.
    """
    directory = bundle_directory(state, version)
    bundle = load_bundle(directory, expect_features=NAMES)
    if bundle.version != version:
        raise BundleError(
            f"{directory} holds the bundle {bundle.version}.",
            remedy="A bundle's directory has its version for a name: put each back into its own.",
        )
    if bundle.ring_model is None:
        return bundle
    ring_bundle = ring_bundle_of(state, bundle)
    return dataclasses.replace(bundle, network=ServedNetwork(ring_bundle.version, HeadScorer(ring_bundle.head, NAMES)))


def ring_bundle_of(state: StateDirectory, bundle: Bundle) -> "RingBundle":
    """Load the ring model that ``bundle`` takes its score from; raises `BundleError`."""
    from models.rings.bundle import load_ring_bundle  # noqa: PLC0415 imports pandas

    wanted = str(bundle.ring_model)
    found = load_ring_bundle(state.ring_models / Path(wanted).name)
    if found.version != wanted or not found.passed:
        raise BundleError(
            f"{bundle.version} needs the ring model {wanted}; {state.ring_models / wanted} holds {found.version}"
            f"{'' if found.passed else ', which has not passed the gate'}.",
            remedy="Restore the directory of ring models from a backup, or train again.",
        )
    return found


def policy_of(state: StateDirectory, version: str) -> Policy:
    """Load the policy of one version."""
    return load_policy(policy_file(state, version))


def bundle_directory(state: StateDirectory, version: str) -> Path:
    """Directory of one version; raises `BundleError` for what can be no version."""
    if not _PLAIN_NAME.fullmatch(version):
        raise BundleError(f"{version!r} is not a model version.", remedy="`ringfence model list` shows them.")
    return state.bundles / version


def policy_file(state: StateDirectory, version: str) -> Path:
    """File of one version's policy."""
    return state.policies / f"{version}.json"


def champion_version(state: StateDirectory) -> str:
    """Return the version of the bundle that is served."""
    version = read_registry(state).champion
    if version is None:
        raise StateError(f"There is no model in {state.path} yet.", remedy=_TRAIN)
    return version


def versions(state: StateDirectory) -> list[str]:
    """Return the versions whose bundles are there, damaged or not, in order of their names."""
    if not state.bundles.is_dir():
        return []
    return sorted(path.name for path in state.bundles.iterdir() if path.is_dir() and _PLAIN_NAME.fullmatch(path.name))


def find_version(state: StateDirectory, name: str) -> str:
    """Return the version that an alias or a version names; raises `ConfigurationError` when there is none."""
    registry = read_registry(state)
    version = {"champion": registry.champion, "challenger": registry.challenger}.get(name, name)
    if version is None:
        raise ConfigurationError(
            f"There is no {name} in {state.path}.",
            remedy="`ringfence train` makes a model; see `ringfence model list`.",
        )
    if version not in versions(state):
        raise ConfigurationError(
            f"There is no bundle {version} in {state.bundles}.", remedy="`ringfence model list` shows what is there."
        )
    return version


def _store(state: StateDirectory, parts: BundleParts, policy: Policy, now: datetime) -> str:
    staged = state.bundles / f".new-{secrets.token_hex(4)}"
    with locked(state):
        try:
            version = save_bundle(staged, parts, created_at=now).version
            if not _is_whole(state, version):
                shutil.rmtree(state.bundles / version, ignore_errors=True)
                staged.rename(state.bundles / version)
                sync(state.bundles)
            if not policy_file(state, version).exists():
                save_policy(policy_file(state, version), policy)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return version


def _is_whole(state: StateDirectory, version: str) -> bool:
    try:
        bundle_of(state, version).smoke_test()
    except BundleError:
        return False
    return True
