"""How operations are described: schemas from the structs that are on the wire, with an example of every answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from features.errors import InvalidTransaction, LedgerUnavailable
from services.edge import OPEN_PATHS
from services.problems import MEDIA_TYPE, HttpProblem, Problem, body_of, from_domain, unauthorized, unexpected

_REF = "#/components/schemas/{name}"
_EXAMPLE_REQUEST_ID = "0c5e5f6d2b7f4c0c9a5e9d1f3c1b7a42"
_JSON = "application/json"

NOT_JSON = InvalidTransaction("not_json", "The message is not JSON: json is malformed: trailing comma (byte 41).")
TOO_LARGE = InvalidTransaction("too_large", "The request has more than 65,536 bytes.")
NOT_PLAIN_JSON = HttpProblem(415, "unsupported_media_type", "The body is not sent as plain JSON.")
WITH_BODY = (from_domain(NOT_JSON), from_domain(TOO_LARGE), NOT_PLAIN_JSON)
AWAY = from_domain(LedgerUnavailable(""))


def operation(
    *,
    summary: str,
    description: str,
    answer: type | dict[str, Any],
    example: Any,
    problems: Sequence[HttpProblem] = (),
    body: type | None = None,
    bodies: Mapping[str, Any] | None = None,
    parameters: Mapping[str, str] | None = None,
    media_type: str = _JSON,
    open_to_all: bool = False,
) -> dict[str, Any]:
    """Return the arguments of a route's decorator.

    ``answer`` is a struct or a schema, ``body`` a struct; ``example`` is an instance of ``answer`` or ready JSON,
    ``bodies`` are request examples by name. ``problems`` are examples too; several of one status are listed under it.
    ``parameters`` are the path's, with an example each. ``open_to_all`` operations need no token.
    """
    schema = answer if isinstance(answer, dict) else {"$ref": _REF.format(name=answer.__name__)}
    ok = {"description": "Done", "content": {media_type: {"schema": schema, "example": msgspec.to_builtins(example)}}}
    extra: dict[str, Any] = {}
    if parameters:
        extra["parameters"] = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
                "example": value,
            }
            for name, value in parameters.items()
        ]
    if body is not None:
        examples = {name: {"value": msgspec.to_builtins(value)} for name, value in (bodies or {}).items()}
        content = {"schema": {"$ref": _REF.format(name=body.__name__)}, "examples": examples}
        extra["requestBody"] = {"required": True, "content": {_JSON: content}}
    return {
        "summary": summary,
        "description": description,
        "responses": {200: ok, **_problem_responses(problems if open_to_all else [unauthorized(), *problems])},
        "response_model": None,
        "response_class": Response,
        "openapi_extra": extra,
    }


def describe(app: FastAPI, structs: Sequence[type]) -> None:
    """Give ``app`` its OpenAPI document: the routes', the components of ``structs`` and the token."""
    _, components = msgspec.json.schema_components([*structs, Problem], ref_template=_REF)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            document["components"] = {
                "schemas": portable(components),
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            }
            document["security"] = [{"token": []}]
            for path in OPEN_PATHS & document["paths"].keys():
                document["paths"][path]["get"]["security"] = []
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def portable(schema: Any) -> Any:
    """Rewrite Python's ``\\A...\\Z`` in patterns as ``^...$``: the same in JSON Schema, whose patterns are ECMA-262."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"\A", "^").replace(r"\Z", "$")
            if key == "pattern" and isinstance(value, str)
            else portable(value)
            for key, value in schema.items()
        }
    return [portable(item) for item in schema] if isinstance(schema, list | tuple) else schema


def _problem_responses(problems: Sequence[HttpProblem]) -> dict[int | str, Any]:
    by_status: dict[int | str, Any] = {}
    for problem in (*problems, unexpected()):
        described = by_status.setdefault(
            problem.status,
            {"description": "", "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}},
        )
        content = described["content"][MEDIA_TYPE]
        sent = body_of(problem, path="", request_id=_EXAMPLE_REQUEST_ID)
        content.setdefault("examples", {})[problem.code] = {"value": msgspec.to_builtins(sent)}
        described["description"] = " / ".join(sorted(content["examples"]))
        if problem.headers:
            described["headers"] = {name: {"schema": {"type": "string"}} for name in problem.headers}
    return by_status
