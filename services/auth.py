"""The bearer token that every service asks for."""

import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from features.errors import ConfigurationError

TOKEN_BYTES = 32
MIN_LENGTH = 32


def load_or_create_token(path: Path) -> tuple[str, bool]:
    """Return the token in ``path`` and whether it was made just now.

    A new token is written with mode 600, whole or not at all; of several processes that start at once, one makes it
    and the others read it. Raises `ConfigurationError` for a file that others can read, that cannot be read, or that
    holds too little to be a token.
    """
    if not os.path.lexists(path):
        token = secrets.token_urlsafe(TOKEN_BYTES)
        if _create(path, token):
            return token, True
    return _load(path), False


def given_token(token: str) -> str:
    """Return a token that the operator chose; `ConfigurationError`, which does not repeat it, for one that is none."""
    if not _is_token(token):
        raise ConfigurationError(
            f"RINGFENCE_TOKEN is no token of at least {MIN_LENGTH} characters without spaces.",
            remedy="Make one with `openssl rand -hex 32`, or unset it: the first start then makes one.",
        )
    return token


def bearer_matches(authorization: str, token: str) -> bool:
    """Whether an Authorization header carries the token; takes the same time wherever the two differ."""
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _create(path: Path, token: str) -> bool:
    """Write the token, and say whether it was this call that did; a link appears with its content or not at all."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigurationError(
            f"The token cannot be written to {path}: {error.strerror}.",
            remedy="Make its directory writable, or set another state directory.",
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()
    return True


def _load(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            token = file.read(4096).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigurationError(
            f"The token in {path} cannot be read: {reason}.", remedy="Delete it; the next start makes a new one."
        ) from None
    if mode & 0o077:
        raise ConfigurationError(
            f"The token in {path} can be read by others (mode {mode:o}).",
            remedy=f"Delete it to get a new one, or, if nobody has read it, run: chmod 600 {path}",
        )
    if not _is_token(token):
        raise ConfigurationError(
            f"{path} holds no token of at least {MIN_LENGTH} characters.",
            remedy="Delete it; the next start makes a new one.",
        )
    return token


def _is_token(text: str) -> bool:
    return len(text) >= MIN_LENGTH and len(text.split()) == 1 and text.isascii()
