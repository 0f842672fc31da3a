"""A feature store, or rings, that take 200 ms to answer cost every reply their share of the 100 ms and no more."""

from time import sleep

import httpx
import msgspec
import pytest

from features.codec import encode_transaction
from models.decision import Decision
from streaming.brokers.process import free_port
from tests.integration.faults.stream import payment
from tests.integration.faults.worker_main import TOKEN, run_score_service

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]
SLOW = {"store_delay_s": 0.2, "store_timeout_s": 0.05}
SLOW_RINGS = {"ring_delay_s": 0.2}
BUDGET_MS = 100.0


def check_replies(decisions):
    """Every one is degraded and says so; the store was waited for, and was cut off."""
    assert all(decision.degraded == ("features",) and decision.decision != "approve" for decision in decisions)
    waited = [decision.stage_ms["store_read"] for decision in decisions]
    assert max(waited) >= 50  # it was asked
    assert sum(each < 200 for each in waited) == len(waited)  # and nobody heard its answer
    spent = sorted(sum(decision.stage_ms.values()) for decision in decisions)
    assert spent[len(spent) // 2] < BUDGET_MS


def check_replies_without_rings(decisions):
    """Every one is degraded and says so, and is decided by what the verdict depends on."""
    assert {decision.degraded for decision in decisions} == {("rings",)}
    assert {decision.ring for decision in decisions} == {None}
    waited = [decision.stage_ms["rings"] for decision in decisions]
    assert max(waited) >= 10  # they were asked
    assert sum(each < 200 for each in waited) == len(waited)  # and nobody heard their answer
    spent = sorted(sum(decision.stage_ms.values()) for decision in decisions)
    assert spent[len(spent) // 2] < BUDGET_MS


def test_the_worker_replies_without_a_store_that_takes_200_ms(start_world):
    world = start_world(**SLOW)
    world.fleet.start()
    world.fleet.start()
    with world.load(most=1500, backlog=20):
        world.fleet.wait("all are decided", lambda: world.decided() >= 1500)
    check_replies(
        [each.decision for each in world.ledger.find([p.transaction_id for p in world.stream.payments]).values()]
    )
    world.finish()
    world.check()


def test_the_worker_replies_without_rings_that_take_200_ms(start_world):
    world = start_world(**SLOW_RINGS)
    world.fleet.start()
    with world.load(most=500, backlog=20):
        world.fleet.wait("all are decided", lambda: world.decided() >= 500)
    check_replies_without_rings(
        [each.decision for each in world.ledger.find([p.transaction_id for p in world.stream.payments]).values()]
    )


@pytest.mark.parametrize(("slow", "check"), [(SLOW, check_replies), (SLOW_RINGS, check_replies_without_rings)])
def test_the_score_service_replies_without_what_takes_200_ms(start_world, slow, check):
    world = start_world()
    port = free_port()
    service = world.fleet.start(run_score_service, port, **slow)
    replies = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {TOKEN}"}) as client:

        def is_ready():
            try:
                return client.get("/health/ready").status_code == 200
            except httpx.TransportError:
                return False

        world.fleet.wait("the service is ready", is_ready)
        for n in range(60):
            answer = client.post("/v1/score", content=encode_transaction(payment(n)))
            assert answer.status_code == 200, answer.text
            replies.append(msgspec.json.decode(answer.content, type=Decision))
            sleep(0.05)
    world.fleet.stop(service)
    check(replies)
