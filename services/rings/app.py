"""The rings service: fraud rings, their pictures, and who was seen with whom."""

from fastapi import APIRouter, FastAPI, Request, Response

from features.reference import mask_card_numbers
from models.rings.communities.types import FraudRing, Node
from monitoring.metrics import Metrics
from services.bodies import json_response
from services.openapi import operation
from services.problems import HttpProblem
from services.rest import Ready, create_app
from services.rings.answers import (
    ANSWER,
    LIST,
    MOST_NEIGHBOURS,
    NEIGHBOURHOOD,
    RING,
    NeighbourhoodAnswer,
    RingAnswer,
    RingList,
    ring_answer,
    ring_list,
)
from services.rings.book import NO_RINGS, Pages, RingBook
from services.rings.picture.svg import picture
from services.work_queue import WorkQueue

DESCRIPTION = """Fraud rings as of the last run of `ringfence rings find`: cards that share devices, addresses and
receivers of money, and the evidence. Long answers are cut, and say how much was left out.

Every request needs `Authorization: Bearer TOKEN`."""
NODES: tuple[Node, ...] = ("card", "device", "ip", "counterparty")


def create_rings_app(book: RingBook, metrics: Metrics, token: str, ready: Ready) -> FastAPI:
    """Build the rings service over the snapshots of ``book``."""
    queue = WorkQueue()

    def awaited() -> list[str]:
        return [*ready(), *book.awaited()]

    return create_app(
        title="Ringfence rings",
        description=DESCRIPTION,
        routes=_routes(book, queue),
        structs=[RingList, RingAnswer, NeighbourhoodAnswer],
        token=token,
        ready=awaited,
        metrics=metrics,
        close=queue.close,
    )


def _routes(book: RingBook, queue: WorkQueue) -> APIRouter:
    router = APIRouter(tags=["rings"])

    @router.get(
        "/v1/rings",
        **operation(
            summary="List the rings",
            description="The rings of the last run, the highest score first.",
            answer=RingList,
            example=LIST,
            problems=[_no_rings()],
        ),
    )
    async def rings() -> Response:
        return json_response(ring_list((await queue.run(_pages, book)).snapshot))

    @router.get(
        "/v1/rings/{ring_id}",
        **operation(
            summary="Show a ring",
            description="Its members, the evidence that joins them, and its payments by day.",
            answer=RingAnswer,
            example=ANSWER,
            parameters={"ring_id": RING.ring_id},
            problems=[_unknown_ring(RING.ring_id), _no_rings()],
        ),
    )
    async def ring(request: Request) -> Response:
        pages = await queue.run(_pages, book)
        return json_response(ring_answer(pages.snapshot, _ring(pages, request.path_params["ring_id"])))

    @router.get(
        "/v1/rings/{ring_id}/picture",
        **operation(
            summary="Draw a ring",
            description="An SVG document without scripts: who shares what with whom, and since when.",
            answer={"type": "string"},
            example='<svg xmlns="http://www.w3.org/2000/svg"></svg>',
            media_type="image/svg+xml",
            parameters={"ring_id": RING.ring_id},
            problems=[_unknown_ring(RING.ring_id), _no_rings()],
        ),
    )
    async def ring_picture(request: Request) -> Response:
        pages = await queue.run(_pages, book)
        ring = _ring(pages, request.path_params["ring_id"])
        return Response(picture(ring, pages.snapshot.at), media_type="image/svg+xml")

    @router.get(
        "/v1/entities/{entity_type}/{entity_id:path}/neighbourhood",
        **operation(
            summary="Show who was seen with whom",
            description=f"At most {MOST_NEIGHBOURS} neighbours of a card, device, ip or counterparty: those with most "
            "confirmed frauds, then most payments.",
            answer=NeighbourhoodAnswer,
            example=NEIGHBOURHOOD,
            parameters={"entity_type": "device", "entity_id": "dev_9"},
            problems=[_unknown_type("shop"), _unknown_entity("device", "dev_9"), _no_rings()],
        ),
    )
    async def neighbourhood(request: Request) -> Response:
        entity_type, entity_id = (request.path_params[name] for name in ("entity_type", "entity_id"))
        if entity_type not in NODES:
            raise _unknown_type(entity_type)
        pages = await queue.run(_pages, book)
        found = await queue.run(pages.neighbours.of, entity_type, entity_id, MOST_NEIGHBOURS)
        if found is None:
            raise _unknown_entity(entity_type, entity_id)
        return json_response(
            NeighbourhoodAnswer(
                at=pages.snapshot.at,
                version=pages.snapshot.version,
                ring_id=pages.ring_of.get((entity_type, entity_id)),
                neighbourhood=found,
            )
        )

    return router


def _pages(book: RingBook) -> Pages:
    pages = book.pages()
    if pages is None:
        raise _no_rings()
    return pages


def _ring(pages: Pages, ring_id: str) -> FraudRing:
    ring = pages.snapshot.find(ring_id)
    if ring is None:
        raise _unknown_ring(ring_id)
    return ring


def _no_rings() -> HttpProblem:
    return HttpProblem(503, "no_rings", NO_RINGS, remedy="Run `ringfence rings find`.", headers={"Retry-After": "60"})


def _unknown_ring(ring_id: str) -> HttpProblem:
    return HttpProblem(
        404,
        "unknown_ring",
        f"There is no ring {mask_card_numbers(ring_id[:128])} in the last run.",
        field="ring_id",
        remedy="GET /v1/rings lists those that there are.",
    )


def _unknown_type(entity_type: str) -> HttpProblem:
    return HttpProblem(
        404,
        "unknown_entity_type",
        f"{mask_card_numbers(entity_type[:128])} is none of {', '.join(NODES)}.",
        field="entity_type",
    )


def _unknown_entity(entity_type: str, entity_id: str) -> HttpProblem:
    return HttpProblem(
        404,
        "unknown_entity",
        f"No {entity_type} {mask_card_numbers(entity_id[:128])} was seen in the time that the last run looked at.",
        field="entity_id",
    )
