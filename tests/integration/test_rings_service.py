"""`ringfence serve rings` as it is deployed: a process of its own, its snapshots written by `ringfence rings find`."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import pytest
import schemathesis

from streaming.brokers.process import free_port
from tests.unit.models.rings.payments import AT, history, household, ring_payments
from tests.unit.services.fuzzing import fuzz
from tests.unit.services.rings.states import HOSTILE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
TOKEN = "a-token-that-nobody-else-knows-of-at-all"
START_S = 300.0  # Feast takes its time to import, and longer on a busy machine
CLI = [sys.executable, "-m", "services.cli"]
STRANGE = "a/b?c#d%2F/.."


class Service:
    """The running command, its state directory, and a client that sends the token."""

    def __init__(self, folder):
        self.folder, port = folder, free_port()
        self.environment = os.environ | {
            "RINGFENCE_STATE": str(folder / "state"),
            "RINGFENCE_TOKEN": TOKEN,
            "RINGFENCE_HOST": "127.0.0.1",
            "RINGFENCE_RINGS_PORT": str(port),
            "PYTHONPATH": str(ROOT),
        }
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        self.log = folder / "rings.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*CLI, "serve", "rings"], env=self.environment, cwd=folder, stdout=output, stderr=output
            )

    def find(self, table, at):
        """Run `ringfence rings find` on a file of ``table``."""
        path = self.folder / "payments.parquet"
        table.to_parquet(path)
        command = [*CLI, "rings", "find", "--data", path, "--at", f"{at:%Y-%m-%dT%H:%M:%S}"]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def wait_until_it_listens(self):
        deadline = monotonic() + START_S
        while True:
            try:
                assert self.client.get("/health/live").status_code == 200
                return
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()
                assert monotonic() < deadline
                sleep(0.2)

    def rings(self):
        answer = self.client.get("/v1/rings")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service that answered before and after its first snapshot."""
    started = Service(tmp_path_factory.mktemp("rings"))
    try:
        started.wait_until_it_listens()
        ready, listed = started.client.get("/health/ready"), started.client.get("/v1/rings")
        assert (ready.status_code, listed.status_code) == (503, 503)
        assert (ready.json()["code"], listed.json()["code"]) == ("not_ready", "no_rings")
        hostile = ring_payments(cards=(STRANGE, "..", HOSTILE), device=HOSTILE)
        started.find(history(*ring_payments(), *household(), *hostile), AT)
        yield started
    finally:
        started.process.terminate()
        started.client.close()
        assert started.process.wait(60) == 0, started.log.read_text()


def test_every_route_answers_of_the_snapshot(service):
    assert service.client.get("/health/ready").status_code == 200
    listed = service.rings()
    assert len(listed["rings"]) == 2
    assert listed["left_out"] == 0
    for short in listed["rings"]:
        path = f"/v1/rings/{short['ring_id']}"
        shown = service.client.get(path).json()
        assert short == {name: shown["ring"][name] for name in short}
        drawn = service.client.get(f"{path}/picture")
        assert drawn.headers["content-type"] == "image/svg+xml"
        assert ElementTree.fromstring(drawn.text).tag == "{http://www.w3.org/2000/svg}svg"
        assert "<script" not in drawn.text
    device = service.client.get("/v1/entities/device/dev/neighbourhood").json()
    assert [each["id"] for each in device["neighbourhood"]["neighbours"]] == ["a", "b", "c"]
    assert device["ring_id"] in {short["ring_id"] for short in listed["rings"]}
    metrics = service.client.get("/metrics")
    assert metrics.status_code == 200
    assert "fraud_" in metrics.text


@pytest.mark.parametrize(
    "path",
    ["/v1/rings", "/v1/rings/x", "/v1/rings/x/picture", "/v1/entities/card/a/neighbourhood", "/metrics", "/v1/nowhere"],
)
@pytest.mark.parametrize("authorization", [None, "Bearer another-token-altogether", "Basic eDp5"])
def test_without_the_token_nothing_is_told(service, path, authorization):
    answer = httpx.get(service.url + path, headers={"Authorization": authorization} if authorization else {})
    assert answer.status_code == 401
    assert "ring-" not in answer.text


def test_what_is_not_there_is_told_without_repeating_a_card_number(service):
    for path, code in (
        ("/v1/rings/ring-x", "unknown_ring"),
        ("/v1/rings/ring-x/picture", "unknown_ring"),
        ("/v1/entities/shop/x/neighbourhood", "unknown_entity_type"),
        ("/v1/entities/card/4111111111111111/neighbourhood", "unknown_entity"),
        ("/v1/rings/4111111111111111", "unknown_ring"),
    ):
        answer = service.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
        assert "4111111111111111" not in answer.text
    assert "4111111111111111" not in service.log.read_text()


def test_ids_that_look_like_paths_and_markup_are_ids(service):
    for card in (STRANGE, HOSTILE):
        answer = service.client.get(f"/v1/entities/card/{quote(card, safe='')}/neighbourhood")
        assert [each["id"] for each in answer.json()["neighbourhood"]["neighbours"]] == [HOSTILE, f"ip-{HOSTILE}"]
    for path in (
        "/v1/rings/..%2F..%2Fstate.json",
        "/v1/rings/%2e%2e%2ftoken/picture",
        "/v1/rings/%00",
        f"/v1/rings/{'r' * 4000}",
        "/v1/entities/card/%00%ff%fe/neighbourhood",
        f"/v1/entities/device/{'%F0%9F%98%80' * 500}/neighbourhood",
        "/v1/entities/ip/%E2%80%AE/neighbourhood",
    ):
        answer = service.client.get(path)
        assert answer.status_code == 404, (path, answer.text)
        assert TOKEN not in answer.text


def test_the_service_does_what_its_document_says(service):
    schema = schemathesis.openapi.from_url(
        f"{service.url}/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}, wait_for_schema=5
    )
    assert fuzz(schema, TOKEN) > 20


def test_a_newer_snapshot_is_picked_up_and_a_damaged_one_is_not(service):
    before = service.rings()
    service.find(history(*ring_payments("abcd"), *household()), AT + timedelta(days=1))
    after = service.rings()
    assert after["at"] > before["at"]
    assert [ring["cards"] for ring in after["rings"]] == [4]
    [kept] = {ring["ring_id"] for ring in after["rings"]} & {ring["ring_id"] for ring in before["rings"]}
    service.find(history(*ring_payments("abcdef")), AT + timedelta(days=2))
    newest = max((service.folder / "state" / "rings").glob("*Z.json"))
    damaged = newest.with_name(f"{AT + timedelta(days=3):%Y%m%dT%H%M%S%f}Z.json")
    service.rings()
    damaged.write_bytes(newest.read_bytes()[:-1])
    known = service.rings()
    assert [(ring["ring_id"], ring["cards"]) for ring in known["rings"]] == [(kept, 6)]
    assert service.rings() == known
    assert "refused" in service.log.read_text()
