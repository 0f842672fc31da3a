"""What holds for every service: token, health, request ids, headers, metrics, limits while reading."""

import asyncio

import pytest
from structlog.testing import capture_logs

from services.edge import Edge
from services.problems import MEDIA_TYPE
from tests.unit.services.client import TOKEN, Client
from tests.unit.services.worlds import CARD_NUMBER, World, payment

SERVICES = ["score", "explain"]
GUARDED = ["/metrics", "/openapi.json", "/v1/schema/transaction", "/v1/decisions/t1", "/nowhere", "/docs"]


@pytest.fixture(params=SERVICES)
def client(request):
    return getattr(World(), request.param)


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \u00e9", f"Bearer {TOKEN} x"]
)
def test_everything_but_health_needs_the_token(path, header):
    client = Client(World().score.app, token=None)
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    response = client.get(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["content-type"] == MEDIA_TYPE
    assert response.json()["code"] == "unauthorized"
    assert TOKEN not in response.text


def test_posting_without_the_token_decides_nothing():
    world = World()
    client = Client(world.score.app, token=None)
    assert client.post("/v1/score", json=payment()).status_code == 401
    assert world.ledger.count() == 0


def test_the_scheme_is_not_case_sensitive(client):
    assert (
        Client(client.app, token=None).get("/metrics", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200
    )


def test_a_service_without_a_token_is_not_built():
    with pytest.raises(ValueError, match="token"):
        Edge(None, token="", observe=None)


def test_health_is_open_and_waits_for_the_reasons_to_go():
    world = World(reasons=["The model is being loaded.", "The feature store is cold."])
    client = Client(world.score.app, token=None)
    assert client.get("/health/live").status_code == 200
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["detail"] == "The model is being loaded. The feature store is cold."
    assert world.metric("fraud_ready") == 0
    world.reasons.clear()
    response = client.get("/health/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})
    assert world.metric("fraud_ready") == 1


def test_unknown_paths_and_methods_are_problems(client):
    response = client.get("/nowhere")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    response = client.request("DELETE", "/health/live")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET"


def test_pages_that_load_scripts_from_elsewhere_are_not_there(client):
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_answers_are_not_cached_sniffed_or_framed(client):
    for path in ("/health/live", "/nowhere", "/metrics"):
        headers = client.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "new\tline", CARD_NUMBER, "\u00e9"])
def test_request_ids_that_are_not_safe_to_log_are_replaced(client, given):
    with capture_logs() as logs:
        response = client.get("/nowhere", headers={"X-Request-ID": given.encode("latin-1")})
    assert len(response.headers["x-request-id"]) == 32
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert not given or given not in response.text + repr(logs)


def test_requests_are_counted_by_template_never_by_path():
    world = World()
    world.score.post("/v1/score", json=payment())
    for path in ("/v1/decisions/t1", "/v1/decisions/t2", "/nowhere/1", "/nowhere/2"):
        world.score.get(path)
    world.score.request("BREW", "/v1/score")
    Client(world.score.app, token=None).get("/v1/decisions/t1")

    def count(method, route, status):
        return world.metric("fraud_http_requests_total", method=method, route=route, status=status)

    assert count("POST", "/v1/score", "200") == 1
    assert count("GET", "/v1/decisions/{transaction_id}", "200") == 1
    assert count("GET", "/v1/decisions/{transaction_id}", "404") == 1
    assert count("GET", "unknown", "404") == 2
    assert count("GET", "unknown", "401") == 1
    assert count("other", "/v1/score", "405") + count("other", "unknown", "405") == 1


def test_metrics_are_exposed():
    world = World()
    world.score.post("/v1/score", json=payment())
    response = world.score.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert 'fraud_decisions_total{decision="approve",origin="rest"} 1.0' in response.text


def test_the_wire_schema_is_published_with_portable_patterns(client):
    schema = client.get("/v1/schema/transaction").json()
    properties = schema["$defs"]["Transaction"]["properties"]
    assert {"transaction_id", "event_time", "card_id", "amount"} <= properties.keys()
    assert properties["currency"]["pattern"] == "^[A-Z]{3}$"


def drive(app, headers, chunks, *, then=None):
    """Call an application with a body in chunks; return the sent messages and how many chunks it took."""
    taken, sent = 0, []
    waiting = list(chunks)

    async def receive():
        nonlocal taken
        if not waiting:
            return then or {"type": "http.disconnect"}
        taken += 1
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or then is not None}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/score",
        "raw_path": b"/v1/score",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("service", 80),
        "client": ("client", 1),
        "headers": [(b"authorization", f"Bearer {TOKEN}".encode()), *headers],
    }
    asyncio.run(app(scope, receive, send))
    return sent, taken


def test_a_declared_size_beyond_all_bounds_is_refused_without_reading():
    for declared in (b"5000000", b"9" * 5000):
        sent, taken = drive(World().score.app, [(b"content-length", declared)], [b"x"] * 10)
        assert sent[0]["status"] == 413
        assert taken == 0


def test_a_body_without_a_declared_size_is_dropped_while_it_comes_and_cut_off_in_the_end():
    sent, taken = drive(World().score.app, [], [b"x" * 1_000_000] * 3)
    assert (sent[0]["status"], taken) == (413, 3)
    sent, taken = drive(World().score.app, [], [b"x" * 1_000_000] * 50)
    assert sent[0]["status"] == 413
    assert taken == 5


def test_a_client_that_leaves_halfway_is_no_error():
    world = World()
    with capture_logs() as logs:
        sent, _ = drive(world.score.app, [], [b"{"], then={"type": "http.disconnect"})
    assert sent == []
    assert logs == []
    assert world.metric("fraud_http_requests_total", method="POST", route="/v1/score", status="499") == 1


def test_a_body_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr("services.bodies.READ_TIMEOUT_S", 0.05)
    sent = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/score", "query_string": b"", "http_version": "1.1"}
    scope["headers"] = [(b"authorization", f"Bearer {TOKEN}".encode())]
    asyncio.run(World().score.app(scope, receive, send))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
