"""Problem details (RFC 9457) for everything that can go wrong with a request.

Domain errors know no HTTP: the tables below give each its status. What is the service's own fault is told without
internals; the log has them.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

import msgspec
from fastapi import Response

from features import errors
from features.errors import RingfenceError
from features.reference import mask_card_numbers

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1


class BadItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong with one item of a batch; ``index`` counts from 0."""

    index: int
    code: str
    detail: str
    field: str = ""
    remedy: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem as it goes over the wire. ``code`` is stable; ``field`` is the JSON path at fault; never its value."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    code: str
    request_id: str = ""
    field: str = ""
    remedy: str = ""
    errors: tuple[BadItem, ...] = ()


class HttpProblem(Exception):
    """A problem that only HTTP knows of: no such path, no token, too many requests at once."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str = "",
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
        bad_items: tuple[BadItem, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.remedy = remedy
        self.headers = dict(headers or {})
        self.bad_items = bad_items


# The most special class wins. A test holds this table against the whole tree of features.errors.
STATUS_OF: dict[type[RingfenceError], int] = {
    errors.RingfenceError: 500,
    errors.InvalidInput: 422,
    errors.InvalidTransaction: 422,
    errors.InvalidLabel: 422,
    errors.DuplicateConflict: 409,
    errors.Superseded: 500,
    errors.ConfigurationError: 500,
    errors.DataError: 500,
    errors.StateError: 500,
    errors.BundleError: 500,
    errors.Unavailable: 503,
    errors.StoreUnavailable: 503,
    errors.StoreEmptied: 503,
    errors.BrokerUnavailable: 503,
    errors.MessageTooLarge: 503,
    errors.LedgerUnavailable: 503,
    errors.TrackingUnavailable: 503,
}
STATUS_OF_CODE = {"not_json": 400, "too_large": 413}

# What may be said of errors whose own messages name files, addresses or settings of the service.
_DISCREET = {
    "configuration": "A setting of the service cannot work.",
    "data": "The service's data cannot be used.",
    "state": "The service's stored state is damaged or does not fit.",
    "bundle": "The service's model bundle cannot be used.",
    "unavailable": "A part of the service does not answer.",
    "store_unavailable": "The feature store does not answer.",
    "store_emptied": "The feature store has lost its states.",
    "broker_unavailable": "The message broker does not answer.",
    "ledger_unavailable": "The ledger does not answer; nothing was decided.",
    "tracking_unavailable": "The tracking of training runs does not answer.",
}
_TITLES = {
    "not_json": "Not JSON",
    "too_large": "Too large",
    "unknown_field": "Unknown field",
    "missing_field": "Missing field",
    "wrong_type": "Wrong type",
    "out_of_range": "Out of range",
    "bad_format": "Form not allowed",
    "naive_time": "Time without time zone",
    "impossible_time": "Impossible time",
    "future_time": "Time in the future",
    "unknown_currency": "Unknown currency",
    "unknown_country": "Unknown country",
    "card_number": "Card number",
    "duplicate_conflict": "Same id, different content",
    "invalid_batch": "Transactions that cannot be scored",
}


def from_domain(error: RingfenceError) -> HttpProblem:
    """Return the problem that a domain error makes of a request."""
    status = STATUS_OF_CODE.get(error.code) or _status(type(error))
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        # Names of unknown fields come from the sender, and so may hold anything.
        field = mask_card_numbers(error.field) if isinstance(error, errors.InvalidInput) else ""
        return HttpProblem(status, error.code, mask_card_numbers(error.message), field=field, remedy=error.remedy)
    detail = _DISCREET.get(error.code, "The service failed.")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return HttpProblem(
            status,
            error.code,
            detail,
            remedy="Send the same request again: a transaction is decided once, however often it is sent.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    return HttpProblem(status, error.code, detail, remedy="The service's log says more, under this request id.")


def from_status(status: int, headers: Mapping[str, str] | None = None) -> HttpProblem:
    """Return the problem for a bare HTTP status, as the web framework raises them."""
    phrase = HTTPStatus(status).phrase
    detail = {
        HTTPStatus.NOT_FOUND: "There is nothing at this path.",
        HTTPStatus.METHOD_NOT_ALLOWED: "This path does not take this method.",
    }.get(HTTPStatus(status), f"{phrase}.")
    remedy = "/openapi.json lists what there is." if status in (404, 405) else ""
    return HttpProblem(
        status, re.sub(r"\W+", "_", phrase.lower().replace("'", "")), detail, remedy=remedy, headers=headers
    )


def unexpected() -> HttpProblem:
    """Return the problem for an exception that nobody foresaw; the log has its trace."""
    return HttpProblem(
        500, "internal", "The service failed unexpectedly.", remedy="Its log says more, under this request id."
    )


def unknown_transaction(transaction_id: str) -> HttpProblem:
    """Return the problem for an id without a decision."""
    return HttpProblem(
        404,
        "unknown_transaction",
        f"There is no decision on transaction {mask_card_numbers(transaction_id[:128])}.",
        field="transaction_id",
        remedy="Check the id, or score the transaction first.",
    )


def unauthorized() -> HttpProblem:
    """Return the problem for a request without the right token."""
    return HttpProblem(
        401,
        "unauthorized",
        "The request carries no valid token.",
        remedy="Send 'Authorization: Bearer TOKEN'; the token is in the file 'token' of the state directory.",
        headers={"WWW-Authenticate": 'Bearer realm="ringfence"'},
    )


def body_of(problem: HttpProblem, *, path: str = "", request_id: str = "") -> Problem:
    """Return what is sent of a problem; card numbers in the request's path are masked."""
    return Problem(
        type=f"/problems/{problem.code}",
        title=_TITLES.get(problem.code, HTTPStatus(problem.status).phrase),
        status=problem.status,
        detail=problem.detail,
        instance=quote(mask_card_numbers(path)),
        code=problem.code,
        request_id=request_id,
        field=problem.field,
        remedy=problem.remedy,
        errors=problem.bad_items,
    )


def respond(problem: HttpProblem, *, path: str = "", request_id: str = "") -> Response:
    """Return the HTTP response of a problem."""
    body = body_of(problem, path=path, request_id=request_id)
    return Response(msgspec.json.encode(body), problem.status, problem.headers, MEDIA_TYPE)


def _status(kind: type[RingfenceError]) -> int:
    return next(STATUS_OF[base] for base in kind.__mro__ if base in STATUS_OF)
