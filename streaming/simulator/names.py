"""Turns numbers into ids: tokens with a prefix, private addresses, categorical columns."""

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

_ADDRESSES = 2**24  # 10.0.0.0/8
_CONSONANTS = np.array(list("bcdfghjklmnpqrstvwxz"))
Codes = NDArray[np.signedinteger]
Names = NDArray[np.object_]


def tokens(prefix: str, numbers: Codes, width: int = 7) -> Names:
    """Return ids such as ``card_0001234``: the prefix and each number, padded to ``width`` digits."""
    digits = pc.utf8_lpad(pa.array(np.asarray(numbers, dtype=np.int64)).cast(pa.string()), width, "0")
    joined = pc.binary_join_element_wise(prefix, digits, "")
    return np.asarray(joined.to_numpy(zero_copy_only=False), dtype=np.object_)


def scenario_tag(rng: np.random.Generator) -> str:
    """Return four letters that tell the transactions of one scenario from another's."""
    return "".join(rng.choice(_CONSONANTS, 4))


def addresses(numbers: Codes) -> Names:
    """Return dotted addresses in 10.0.0.0/8 (private, so that nobody's real address appears) from 24-bit numbers."""
    parts = ((np.asarray(numbers, dtype=np.int64)[:, None] >> np.array([16, 8, 0])) & 255).tolist()
    return np.array([f"10.{a}.{b}.{c}" for a, b, c in parts], dtype=np.object_)


def categorical(codes: Codes, names: Names | list[str] | tuple[str, ...]) -> pd.Categorical:
    """Return a categorical column; code -1 is missing."""
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype=object))


def shuffled(rng: np.random.Generator, codes: Codes, prefix: str) -> pd.Categorical:
    """Return ids of the codes in use, numbered in random order: a number tells nothing of when or why it was made."""
    dense, used = _dense(codes)
    order = np.append(rng.permutation(used), -1)  # the last entry is where -1 (missing) points
    return categorical(order[dense], tokens(prefix, np.arange(1, used + 1)))


def shuffled_addresses(rng: np.random.Generator, codes: Codes) -> pd.Categorical:
    """Return addresses for the codes in use, spread over the private range in random order."""
    dense, used = _dense(codes)
    step = max(1, _ADDRESSES // max(used, 1))
    numbers = (np.arange(used) * step + rng.integers(0, step, used)) % _ADDRESSES
    order = np.append(rng.permutation(used), -1)
    return categorical(order[dense], addresses(numbers))


def _dense(codes: Codes) -> tuple[Codes, int]:
    """Renumber the non-negative codes in use from 0; return them and how many there are."""
    highest = int(codes.max(initial=-1))
    present = np.zeros(highest + 2, dtype=np.int64)
    present[codes[codes >= 0]] = 1
    number = present.cumsum() - 1
    return np.where(codes < 0, -1, number[np.maximum(codes, 0)]), int(present.sum())
