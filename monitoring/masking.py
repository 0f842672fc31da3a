"""What never reaches a log: card numbers, tokens, passwords. Pure functions on a log entry."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from features.reference import mask_card_numbers

_SECRET_NAMES = re.compile(r"token|passw|authorization|secret|api_?key|cookie|credential", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*):[^\s/@]+@")
_BEARER = re.compile(r"(bearer)\s+[!-~]+", re.IGNORECASE)
_DEEPEST = 8
_SHORTEST_CARD_NUMBER = 13


def mask_text(text: str) -> str:
    """Mask card numbers, passwords in URLs and bearer tokens inside a text, tracebacks included."""
    # Most texts are short and harmless; looking first makes a log line several times cheaper.
    if "://" in text:
        text = _URL_PASSWORD.sub(r"\1:***@", text)
    if "bearer" in text.lower():
        text = _BEARER.sub(r"\1 ***", text)
    return mask_card_numbers(text) if len(text) >= _SHORTEST_CARD_NUMBER else text


def mask_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Drop keys named like secrets, and mask every string in the rest, however deep.

    Numbers stay: a time in microseconds has as many digits as a card number. Objects other than JSON's become masked
    text here, so that rendering cannot bring out what masking has not seen.
    """
    return _masked_mapping(entry, 0)


def _masked_mapping(mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    masked = {}
    for name, value in mapping.items():
        shown = _shown_name(str(name))
        if shown is not None:
            masked[shown] = _masked(value, depth)
    return masked


@lru_cache(maxsize=1024)
def _shown_name(name: str) -> str | None:
    """The name as it may be logged, None if it is a secret's."""
    return None if _SECRET_NAMES.search(name) else mask_text(name)


def _masked(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return mask_text(value)
    if depth == _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return _masked_mapping(value, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item, depth + 1) for item in value]
    return mask_text(str(value) if isinstance(value, BaseException) else repr(value))
