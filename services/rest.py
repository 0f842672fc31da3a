"""What every service shares: the application around its own routes, health, metrics and the wire schema."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec
import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException

from features.codec import transaction_json_schema
from features.errors import RingfenceError
from monitoring.exposition import render
from monitoring.metrics import Metrics
from services.edge import Edge
from services.openapi import describe, operation, portable
from services.problems import HttpProblem, from_domain, from_status, respond

log = structlog.get_logger(__name__)
API_VERSION = "1"

# The framework's own spans and error logs would carry paths and messages that nobody has masked.
NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
# Reasons for not being ready; empty when requests can be answered.
Ready = Callable[[], Sequence[str]]


class Health(msgspec.Struct, frozen=True):
    """The answer of a health check."""

    status: str


def create_app(
    *,
    title: str,
    description: str,
    routes: APIRouter,
    structs: Sequence[type],
    token: str,
    ready: Ready,
    metrics: Metrics,
    close: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Build a service around ``routes``.

    ``structs`` are the types that its OpenAPI document refers to. ``close`` is called when the service stops.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        close()

    app = FastAPI(
        title=title,
        description=description,
        version=API_VERSION,
        lifespan=lifespan,
        docs_url=None,  # the pages load scripts from elsewhere, and a browser cannot send the token
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.include_router(routes)
    app.include_router(_common(ready, metrics))
    _map_errors(app)
    describe(app, [*structs, Health])
    app.add_middleware(Edge, token=token, observe=metrics.request)
    return app


def _common(ready: Ready, metrics: Metrics) -> APIRouter:
    router = APIRouter()
    schema = msgspec.json.encode(portable(transaction_json_schema()))
    live, set_up = msgspec.json.encode(Health("live")), msgspec.json.encode(Health("ready"))

    @router.get(
        "/health/live",
        tags=["operation"],
        **operation(
            summary="Whether the process answers",
            description="Needs no token. Restart the process when this fails.",
            answer=Health,
            example=Health("live"),
            open_to_all=True,
        ),
    )
    async def health_live() -> Response:
        return Response(live, media_type="application/json")

    @router.get(
        "/health/ready",
        tags=["operation"],
        **operation(
            summary="Whether requests can be answered",
            description="Needs no token. 503, saying what is awaited, until the model and the stores are warm.",
            answer=Health,
            example=Health("ready"),
            open_to_all=True,
            problems=[_not_ready(["The model is being loaded."])],
        ),
    )
    async def health_ready() -> Response:
        reasons = ready()
        metrics.ready(not reasons)
        if reasons:
            raise _not_ready(reasons)
        return Response(set_up, media_type="application/json")

    @router.get(
        "/metrics",
        tags=["operation"],
        **operation(
            summary="Metrics for Prometheus",
            description="The text exposition format.",
            answer={"type": "string"},
            example="# HELP fraud_decisions_total Decisions made.\n",
            media_type="text/plain",
        ),
    )
    async def exposition() -> Response:
        content, media_type = render(metrics.registry)
        return Response(content, media_type=media_type)

    @router.get(
        "/v1/schema/transaction",
        tags=["schema"],
        **operation(
            summary="JSON Schema of a transaction",
            description="The wire format of the transactions topic and of the requests here (draft 2020-12).",
            answer={"type": "object"},
            example={"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/Transaction"},
            media_type="application/schema+json",
        ),
    )
    async def transaction_schema() -> Response:
        return Response(schema, media_type="application/schema+json")

    return router


def _not_ready(reasons: Sequence[str]) -> HttpProblem:
    return HttpProblem(503, "not_ready", " ".join(reasons), headers={"Retry-After": "1"})


def _map_errors(app: FastAPI) -> None:
    async def on_domain_error(request: Request, error: RingfenceError) -> Response:
        problem = from_domain(error)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request failed", code=error.code, error=str(error), request_id=request.state.request_id)
        return _answer(request, problem)

    async def on_problem(request: Request, problem: HttpProblem) -> Response:
        return _answer(request, problem)

    async def on_http(request: Request, error: HTTPException) -> Response:
        return _answer(request, from_status(error.status_code, error.headers))

    async def on_validation(request: Request, _: RequestValidationError) -> Response:
        return _answer(request, from_status(422))

    for kind, handler in (
        (RingfenceError, on_domain_error),
        (HttpProblem, on_problem),
        (HTTPException, on_http),
        (RequestValidationError, on_validation),
    ):
        app.add_exception_handler(kind, handler)  # type: ignore[arg-type]  # each takes the errors it is added for


def _answer(request: Request, problem: HttpProblem) -> Response:
    request_id = request.state.request_id
    log.info("refused", status=problem.status, code=problem.code, field=problem.field, request_id=request_id)
    return respond(problem, path=request.url.path, request_id=request_id)
