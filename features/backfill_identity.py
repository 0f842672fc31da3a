"""What a back-fill is made from, as one fingerprint: resuming with anything else would mix two histories."""

import hashlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from features.catalogue import NAMES
from features.datasets.mapping_schema import Mapping
from features.errors import DataError
from features.fingerprint import feature_digests
from features.state import STATE_VERSION


def fingerprint(data: Path, mapping: Mapping, until: datetime | None) -> str:
    """Identify the bytes of ``data``, how they are read, where the history ends, the features and the state format.

    Features count by their names and order and by what they compute.

    Raises `DataError` for a file that cannot be read.
    """
    try:
        with data.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError as exc:
        raise DataError(
            f"{data} cannot be read: {exc.strerror or exc}.", remedy="Check the path and its rights."
        ) from exc
    meaning = replace(mapping, name="", description="")  # a mapping that is renamed still means the same
    rest = (data.suffix, meaning, until, NAMES, feature_digests(), STATE_VERSION)
    digest.update(msgspec.json.encode(rest, order="deterministic"))
    return digest.hexdigest()
