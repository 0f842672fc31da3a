"""The explain service: why a payment got its score, as attributions that add up and in plain words."""

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from msgspec import UNSET, UnsetType

from features.codec import MAX_MESSAGE_BYTES, decode_transaction
from features.errors import InvalidInput, InvalidTransaction
from features.transaction import Transaction
from models.decision import Decision
from monitoring.metrics import Metrics
from services import examples
from services.bodies import decode, json_response, read_body
from services.explanation import EXAMPLE, ExplainRequest, Explanation, answer
from services.openapi import AWAY, WITH_BODY, operation
from services.problems import HttpProblem, from_domain, unknown_transaction
from services.rest import Ready, create_app
from services.work_queue import WorkQueue
from streaming.explaining import Explaining
from streaming.scoring import Clock, utc_now

MAX_BYTES = MAX_MESSAGE_BYTES + 1024  # a transaction and the envelope around it

DESCRIPTION = """Explains scores: `base` plus all attributions is `log_odds`, and `score` is its logistic function.

Every request needs `Authorization: Bearer TOKEN`."""


class _RawRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    transaction_id: str | UnsetType = UNSET
    transaction: msgspec.Raw | UnsetType = UNSET


_HOW = """By `transaction_id`: the recorded decision, from its features as scored, by the model that made it.

By `transaction`: what would be decided against the present feature states. Nothing is recorded. A transaction that was
decided already counts among its own history, so explain that one by its id."""
_requests = msgspec.json.Decoder(_RawRequest)


def create_explain_app(
    explaining: Explaining,
    metrics: Metrics,
    token: str,
    ready: Ready,
    *,
    clock: Clock = utc_now,
    refuse_future: bool = True,
) -> FastAPI:
    """Build the explain service. ``refuse_future`` False accepts event times ahead of ``clock``, for replays."""
    queue = WorkQueue()
    return create_app(
        title="Ringfence explain",
        description=DESCRIPTION,
        routes=_routes(explaining, queue, clock if refuse_future else None),
        structs=[ExplainRequest, Explanation],
        token=token,
        ready=ready,
        metrics=metrics,
        close=queue.close,
    )


def _routes(explaining: Explaining, queue: WorkQueue, clock: Clock | None) -> APIRouter:
    router = APIRouter(tags=["explain"])

    @router.post(
        "/v1/explain",
        **operation(
            summary="Explain a score",
            description=_HOW,
            body=ExplainRequest,
            bodies={
                "a decided transaction": ExplainRequest(transaction_id=examples.TRANSACTION.transaction_id),
                "a transaction as if it came now": ExplainRequest(transaction=examples.TRANSACTION),
            },
            answer=Explanation,
            example=EXAMPLE,
            problems=[
                *WITH_BODY,
                from_domain(_either()),
                from_domain(_inside(InvalidTransaction("missing_field", "currency is missing.", field="currency"))),
                unknown_transaction(examples.TRANSACTION.transaction_id),
                _other_model(examples.DECISION, "xgboost-91be0c77a2d4"),
                AWAY,
            ],
        ),
    )
    async def explain(request: Request) -> Response:
        asked = decode(_requests, await read_body(request, MAX_BYTES))
        match asked:
            case _RawRequest(transaction_id=str(transaction_id), transaction=UnsetType()):
                return json_response(await queue.run(_explain_recorded, explaining, transaction_id))
            case _RawRequest(transaction_id=UnsetType(), transaction=msgspec.Raw() as raw):
                explained = await queue.run(explaining.explain_now, _decode(bytes(raw), clock))
                return json_response(answer(explained, recorded=False))
        raise _either()

    return router


def _explain_recorded(explaining: Explaining, transaction_id: str) -> Explanation:
    decision = explaining.recorded(transaction_id)
    if decision is None:
        raise unknown_transaction(transaction_id)
    explained = explaining.explain(decision)
    if explained is None:
        raise _other_model(decision, explaining.model_version)
    return answer(explained, recorded=True)


def _decode(raw: bytes, clock: Clock | None) -> Transaction:
    try:
        return decode_transaction(raw, now=clock() if clock else None)
    except InvalidTransaction as refusal:
        raise _inside(refusal) from None


def _inside(refusal: InvalidTransaction) -> InvalidTransaction:
    """Return the refusal with its field as seen from the request."""
    field = f"transaction.{refusal.field}".rstrip(".")
    return InvalidTransaction(refusal.code, refusal.message, field=field, remedy=refusal.remedy)


def _either() -> InvalidInput:
    return InvalidInput(
        "one_of",
        "The request holds neither or both of transaction_id and transaction.",
        field="transaction_id",
        remedy="Send exactly one of them.",
    )


def _other_model(decision: Decision, loaded: str) -> HttpProblem:
    return HttpProblem(
        409,
        "other_model",
        f"The decision was made by model {decision.model_version}; {loaded} is loaded, and only the model that decided "
        "can explain.",
        remedy=f"Put the bundle {decision.model_version} back into the state directory and ask again.",
    )
