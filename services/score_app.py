"""The score service: payments in, decisions out, one at a time or up to 256 together."""

from collections.abc import Sequence

import msgspec
import structlog
from fastapi import APIRouter, FastAPI, Request, Response

from features.codec import MAX_MESSAGE_BYTES, decode_transaction
from features.errors import InvalidTransaction
from features.transaction import Transaction
from models.decision import Decision
from monitoring.metrics import Metrics
from services import examples
from services.batch_request import MAX_BATCH, MAX_BATCH_BYTES, Batch, bad_batch, bad_item, decode_batch, empty_batch
from services.bodies import json_response, read_body
from services.openapi import AWAY, WITH_BODY, operation
from services.problems import from_domain, unknown_transaction
from services.rest import Ready, create_app
from services.work_queue import Together, WorkQueue
from streaming.conflicts import decided_before
from streaming.direct import DirectScoring
from streaming.scoring import Clock, utc_now

log = structlog.get_logger(__name__)

DESCRIPTION = """Decides whether payments are approved, sent to review or declined.

Every request needs `Authorization: Bearer TOKEN`. Sending a transaction again is safe: the same content gets the first
decision back, other content under the same id is refused with 409."""


class Decisions(msgspec.Struct, frozen=True):
    """One decision per transaction of the request, in its order."""

    decisions: list[Decision]


_ALL_OR_NOTHING = """All or nothing: if one transaction cannot be taken, none is decided, and `errors` lists each one
that is wrong by its index (from 0). Earlier transactions count towards the features of later ones."""
_CONFLICT = from_domain(decided_before(examples.TRANSACTION.transaction_id))
_BAD_AMOUNT = InvalidTransaction("out_of_range", "amount is out of range: expected float >= 0.0.", field="amount")


def create_score_app(
    direct: DirectScoring,
    metrics: Metrics,
    token: str,
    ready: Ready,
    *,
    clock: Clock = utc_now,
    refuse_future: bool = True,
) -> FastAPI:
    """Build the score service. ``refuse_future`` False accepts event times ahead of ``clock``, for replays."""
    queue = WorkQueue()
    routes = _routes(direct, queue, clock if refuse_future else None)
    return create_app(
        title="Ringfence score",
        description=DESCRIPTION,
        routes=routes,
        structs=[Transaction, Batch, Decision, Decisions],
        token=token,
        ready=ready,
        metrics=metrics,
        close=queue.close,
    )


def _routes(direct: DirectScoring, queue: WorkQueue, clock: Clock | None) -> APIRouter:
    router = APIRouter(tags=["score"])
    single: Together[Transaction, Decision] = Together(queue, direct.score_each)

    @router.post(
        "/v1/score",
        **operation(
            summary="Decide one payment",
            description="The answer is final and recorded. `degraded` names stages that could not answer in time.",
            body=Transaction,
            bodies={"with everything": examples.TRANSACTION, "with what is required": examples.ORDINARY},
            answer=Decision,
            example=examples.DECISION,
            problems=[*WITH_BODY, from_domain(_BAD_AMOUNT), _CONFLICT, AWAY],
        ),
    )
    async def score(request: Request) -> Response:
        raw = await read_body(request, MAX_MESSAGE_BYTES)
        transaction = decode_transaction(raw, now=clock() if clock else None)
        decision = await single.ask(transaction)
        _log(request, [decision])
        return json_response(decision)

    @router.post(
        "/v1/score/batch",
        **operation(
            summary=f"Decide 1 to {MAX_BATCH} payments",
            description=_ALL_OR_NOTHING,
            body=Batch,
            bodies={"two payments": Batch([examples.TRANSACTION, examples.ORDINARY])},
            answer=Decisions,
            example=Decisions([examples.DECISION, examples.ORDINARY_DECISION]),
            problems=[
                *WITH_BODY,
                bad_batch([bad_item(1, _BAD_AMOUNT)], 2),
                from_domain(empty_batch()),
                _CONFLICT,
                AWAY,
            ],
        ),
    )
    async def score_batch(request: Request) -> Response:
        raw = await read_body(request, MAX_BATCH_BYTES)
        transactions = decode_batch(raw, now=clock() if clock else None)
        decisions = await queue.run(direct.score, transactions)
        _log(request, decisions)
        return json_response(Decisions(decisions))

    @router.get(
        "/v1/decisions/{transaction_id:path}",
        **operation(
            summary="Look up a decision",
            description="Whether the transaction came over REST or over Kafka.",
            parameters={"transaction_id": examples.TRANSACTION.transaction_id},
            answer=Decision,
            example=examples.DECISION,
            problems=[unknown_transaction(examples.TRANSACTION.transaction_id), AWAY],
        ),
    )
    async def decision(request: Request) -> Response:
        transaction_id: str = request.path_params["transaction_id"]
        found = await queue.run(direct.look_up, transaction_id)
        if found is None:
            raise unknown_transaction(transaction_id)
        return json_response(found)

    return router


def _log(request: Request, decisions: Sequence[Decision]) -> None:
    request_id = request.state.request_id
    for made in decisions:
        log.info("decided", transaction_id=made.transaction_id, decision=made.decision, request_id=request_id)
