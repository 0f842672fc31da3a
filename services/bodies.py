"""Request bodies in, JSON bodies out: limits first, then bytes, then meaning."""

import asyncio
import re
from typing import Any, TypeVar

import msgspec
from fastapi import Request, Response

from features.errors import InvalidInput
from features.reference import mask_card_numbers
from services.problems import HttpProblem

READ_TIMEOUT_S = 10.0
# A refused body is read to its end up to this size: a client that is cut off while it sends never sees the refusal.
DRAIN_BYTES = 4 * 1024 * 1024

_T = TypeVar("_T")
_PATH = re.compile(r" - at `\$\.?([^`]*)`\Z")
_NAMED = re.compile(r"`([^`]+)`")


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body of a JSON request, holding at most ``limit`` bytes of it.

    Raises `HttpProblem` 415 for anything but plain JSON, 408 for a body that takes more than `READ_TIMEOUT_S`, and
    `InvalidInput` ``too_large``.
    """
    _check_media_type(request)
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await _read(request, limit)
    except TimeoutError:
        raise HttpProblem(
            408,
            "request_timeout",
            f"The body did not arrive within {READ_TIMEOUT_S:.0f} s.",
            headers={"Connection": "close"},
        ) from None


def decode(decoder: msgspec.json.Decoder[_T], raw: bytes) -> _T:
    """Decode the envelope of a request, everything around the transactions; raises `InvalidInput`.

    Transactions themselves are left to `features.codec`, the same for every transport.
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("not_json", "The request is not JSON.") from None


def json_response(content: Any) -> Response:
    """Return a 200 with ``content`` as JSON; NaN becomes null."""
    return Response(msgspec.json.encode(content), media_type="application/json")


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if media_type != "application/json" or encoding != "identity":
        raise HttpProblem(
            415,
            "unsupported_media_type",
            "The body is not sent as plain JSON.",
            remedy="Send Content-Type: application/json and no Content-Encoding.",
        )


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 12 or int(declared) > DRAIN_BYTES):
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        elif size > DRAIN_BYTES:
            break
        else:
            chunks.clear()
    if size > limit:
        raise _too_large(limit)
    return b"".join(chunks)


def _too_large(limit: int) -> InvalidInput:
    return InvalidInput(
        "too_large", f"The request has more than {limit:,} bytes.", remedy="Send fewer or smaller transactions."
    )


def _invalid(message: str) -> InvalidInput:
    """Translate msgspec's message, "Expected `array`, got `str` - at `$.transactions`", into a code and a field."""
    path = _PATH.search(message)
    field = path[1] if path else ""
    text = _PATH.sub("", message)
    for code, sign, what in (
        ("missing_field", "missing required field", "is missing"),
        ("unknown_field", "contains unknown field", "is not part of the request"),
    ):
        if sign in text:
            named = mask_card_numbers(_NAMED.findall(text)[-1][:64])
            return InvalidInput(code, f"{named} {what}.", field=named, remedy="/openapi.json describes the request.")
    plain = text.replace("`", "").replace(" | null", "").lower()
    return InvalidInput("wrong_type", f"{field or 'The request'} has the wrong type: {plain}.", field=field)
