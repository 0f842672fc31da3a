"""Which model the benchmark serves: one trained on its own payments, or one of the user's, copied with its policy."""

import shutil

import pandas as pd

from features.progress import Step
from models.bundle import Bundle
from services.champion import bundle_directory, bundle_of, find_version, policy_file, ring_bundle_of
from services.composition import Root
from services.extras import need_gnn
from services.registry import change_registry, read_registry
from services.state_directory import StateDirectory
from streaming.scoring import utc_now


def find(state: StateDirectory, name: str | None) -> Bundle | None:
    """Return a version or alias of ``state``; None without a name.

    Raises `ConfigurationError` where there is no such model, or where its embeddings cannot be computed here.
    """
    if name is None:
        return None
    bundle = bundle_of(state, find_version(state, name))
    if bundle.ring_model is not None:
        need_gnn()
    return bundle


def serve(own: StateDirectory, state: StateDirectory, bundle: Bundle | None) -> Bundle:
    """Make a model of ``state`` the champion of the benchmark's own, or else the first that was trained there."""
    registry = read_registry(own)
    if bundle is None:
        version = registry.history[0].after
    else:
        version = bundle.version
        _copy(bundle, state, own)
    if registry.champion != version:
        now, reason = utc_now(), "to be measured"
        change_registry(own, lambda before: before.changed("champion", version, at=now, action="adopt", reason=reason))
    return bundle_of(own, version)


def embed(root: Root, bundle: Bundle, history: pd.DataFrame, step: Step) -> None:
    """Compute the embeddings that ``bundle`` takes its ring score from, of all entities of a history."""
    if bundle.ring_model is None:
        return
    from models.rings.training import choose_device  # noqa: PLC0415 the extra `gnn` only
    from services.rings.embedding import embed_rings  # noqa: PLC0415

    store, as_of = root.embeddings(), pd.Timestamp(utc_now())  # as of now, so that they are not stale
    try:
        embed_rings(
            ring_bundle_of(root.state, bundle), history, store, as_of=as_of, device=choose_device("auto"), step=step
        )
    finally:
        store.close()


def _copy(bundle: Bundle, source: StateDirectory, target: StateDirectory) -> None:
    places = [(bundle_directory(source, bundle.version), bundle_directory(target, bundle.version))]
    if bundle.ring_model is not None:
        places.append((source.ring_models / bundle.ring_model, target.ring_models / bundle.ring_model))
    for there, here in places:
        shutil.copytree(there, here, dirs_exist_ok=True)
    target.policies.mkdir(exist_ok=True)
    shutil.copyfile(policy_file(source, bundle.version), policy_file(target, bundle.version))
