"""Turns identifiers and codes into the numbers that the kernel works on, the same in every process and machine."""

import hashlib
import zlib
from typing import get_args

from features.transaction import Channel, EntryMode

_CHANNELS = {name: code for code, name in enumerate(get_args(Channel), start=1)}
_ENTRY_MODES = {name: code for code, name in enumerate(get_args(EntryMode), start=1)}
_LETTERS = 26


def key_hash(key: str | None) -> int:
    """Return a 32-bit hash of an entity key, never 0; 0 for None.

    It serves equality within one entity's remembered transactions only: two of 512 collide with probability 3e-5.
    """
    return 0 if key is None else zlib.crc32(key.encode()) or 1


def outcome_word(transaction_id: str, is_fraud: bool) -> int:
    """Return a 62-bit hash of the transaction id, shifted by one to make room for the outcome."""
    digest = hashlib.blake2b(transaction_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 2 << 1 | is_fraud


def letters_code(code: str | None) -> int:
    """Number a code of capital letters (country, currency) from 1; 0 for None."""
    if code is None:
        return 0
    number = 0
    for letter in code:
        number = number * _LETTERS + ord(letter) - ord("A")
    return number + 1


def mcc_code(mcc: str | None) -> int:
    """Number a merchant category code from 1; 0 for None."""
    return 0 if mcc is None else int(mcc) + 1


def channel_code(channel: str | None) -> int:
    """Number a channel from 1 by its position in the schema; 0 for None."""
    return 0 if channel is None else _CHANNELS[channel]


def entry_mode_code(entry_mode: str | None) -> int:
    """Number an entry mode from 1 by its position in the schema; 0 for None."""
    return 0 if entry_mode is None else _ENTRY_MODES[entry_mode]
