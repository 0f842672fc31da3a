"""The score service: decisions, idempotency and every kind of bad input, over HTTP without a network."""

import json

import pytest
from structlog.testing import capture_logs

from features.errors import LedgerUnavailable, StoreUnavailable
from tests.unit.services.worlds import CARD_NUMBER, World, payment

PROBLEM = "application/problem+json"
WITHOUT_AMOUNT = payment(amount=None)


@pytest.fixture
def world():
    return World()


def check_problem(response, status, code, field=None):
    """Every refusal has the same form and says what to do."""
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert response.headers["content-type"] == PROBLEM
    assert body["status"] == status
    assert body["type"] == f"/problems/{code}"
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]
    if field is not None:
        assert body["field"] == field
    return body


def test_a_payment_gets_its_decision_and_the_ledger_has_it(world):
    response = world.score.post("/v1/score", json=payment(amount=500.0))
    assert response.status_code == 200
    decision = response.json()
    assert decision["transaction_id"] == "t1"
    assert decision["decision"] == "decline"
    assert decision["reason_codes"][0] == "AMOUNT"
    assert decision["features"]["amount"] == 500.0
    assert decision["model_version"] == "fake-1"
    assert world.score.get("/v1/decisions/t1").json() == decision
    assert world.metric("fraud_decisions_total", decision="decline", origin="rest") == 1


def test_missing_features_are_null_not_nan(world):
    response = world.score.post("/v1/score", json=payment())
    assert None in response.json()["features"].values()


def test_a_batch_is_decided_in_order(world):
    response = world.score.post("/v1/score/batch", json={"transactions": [payment(n) for n in range(256)]})
    decisions = response.json()["decisions"]
    assert [d["transaction_id"] for d in decisions] == [f"t{n}" for n in range(256)]
    assert decisions[2]["features"]["card_count_1h"] == 2
    assert world.ledger.count() == 256


def test_the_same_content_again_gets_the_same_bytes(world):
    first = world.score.post("/v1/score", json=payment())
    assert world.score.post("/v1/score", json=payment()).content == first.content
    assert world.ledger.count() == 1
    assert world.metric("fraud_duplicates_total") == 1


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/batch"])
def test_other_content_under_the_same_id_is_a_conflict(world, path):
    world.score.post("/v1/score", json=payment())
    changed = payment(amount=21.0)
    response = world.score.post(path, json=changed if path == "/v1/score" else {"transactions": [payment(2), changed]})
    body = check_problem(response, 409, "duplicate_conflict")
    assert "t1" in body["detail"]
    assert world.ledger.count() == 1


BAD = [
    ("not json", b"this is not json", 400, "not_json", ""),
    ("cut off", json.dumps(payment()).encode()[:-1], 400, "not_json", ""),
    ("empty", b"", 400, "not_json", ""),
    ("not utf-8", b'{"transaction_id": "\xff"}', 400, "not_json", ""),
    ("nan", json.dumps(payment()).replace("20.0", "NaN").encode(), 400, "not_json", ""),
    ("infinite", json.dumps(payment()).replace("20.0", "-Infinity").encode(), 400, "not_json", ""),
    ("deep", b"[" * 5000, 422, "wrong_type", ""),
    ("a list", b"[]", 422, "wrong_type", ""),
    ("null", b"null", 422, "wrong_type", ""),
    ("text amount", payment(amount="20"), 422, "wrong_type", "amount"),
    ("number as id", payment(transaction_id=17), 422, "wrong_type", "transaction_id"),
    ("missing", WITHOUT_AMOUNT, 422, "missing_field", "amount"),
    ("negative", payment(amount=-1), 422, "out_of_range", "amount"),
    ("huge", payment(amount=1e300), 422, "out_of_range", "amount"),
    ("no number", json.dumps(payment()).replace("20.0", "1e999").encode(), None, None, None),
    ("currency", payment(currency="XXQ"), 422, "unknown_currency", "currency"),
    ("currency form", payment(currency="eur"), 422, "bad_format", "currency"),
    ("country", payment(country="QQ"), 422, "unknown_country", "country"),
    ("naive", payment(event_time="2026-02-01T11:00:00"), 422, "naive_time", "event_time"),
    ("impossible", payment(event_time="2026-02-30T11:00:00Z"), 422, "impossible_time", "event_time"),
    ("no time", payment(event_time="yesterday"), 422, "impossible_time", "event_time"),
    ("before 2000", payment(event_time="1999-12-31T23:59:59Z"), 422, "impossible_time", "event_time"),
    ("future", payment(event_time="2026-02-01T12:06:00Z"), 422, "future_time", "event_time"),
    ("card number", payment(card_id=CARD_NUMBER), 422, "card_number", "card_id"),
    ("spaced card number", payment(card_id="4111-1111-1111-1111"), 422, "card_number", "card_id"),
    ("control", payment(merchant_id="shop\x00\x1b[31m"), 422, "bad_format", "merchant_id"),
    ("long id", payment(transaction_id="x" * 129), 422, "out_of_range", "transaction_id"),
    ("latitude", payment(latitude=400), 422, "out_of_range", "latitude"),
    ("unknown field", payment(colour="red"), 422, "unknown_field", "colour"),
    ("card number as field", payment() | {CARD_NUMBER: 1}, 422, "unknown_field", None),
    ("card number in field", payment() | {f"x-{CARD_NUMBER}": 1}, 422, "unknown_field", None),
    ("big", payment(merchant_id="x" * 70_000), 413, "too_large", ""),
    ("a megabyte", b" " * 1_000_000, 413, "too_large", ""),
]


@pytest.mark.parametrize(("sent", "status", "code", "field"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input_is_refused_with_its_code_and_field_and_not_recorded(world, sent, status, code, field):
    with capture_logs() as logs:
        response = world.score.post("/v1/score", content=sent if isinstance(sent, bytes) else json.dumps(sent))
    if code is None:
        assert 400 <= response.status_code < 500
    else:
        body = check_problem(response, status, code, field or None)
        assert body.get("field", "") == field or field is None
        assert [(e["code"], e["status"]) for e in logs if e["event"] == "refused"] == [(code, status)]
    assert world.ledger.count() == 0
    for digits in (CARD_NUMBER, "4111-1111-1111-1111"):
        assert digits not in response.text + repr(response.headers) + repr(logs)


@pytest.mark.parametrize(
    ("sent", "status", "code", "field"),
    [
        ({"transactions": []}, 422, "empty_batch", "transactions"),
        ({}, 422, "missing_field", "transactions"),
        ({"transactions": "all"}, 422, "wrong_type", "transactions"),
        ({"transactions": [payment()], "more": 1}, 422, "unknown_field", "more"),
        ({"transactions": [payment()], CARD_NUMBER: 1}, 422, "unknown_field", None),
        ([payment()], 422, "wrong_type", None),
        ({"transactions": [payment(n) for n in range(257)]}, 422, "batch_too_long", "transactions"),
        (b'{"transactions": [' + b"[" * 100_000, 400, "not_json", None),
        (b'{"transactions": [', 400, "not_json", None),
        (b'{"transactions": [' + b" " * 1_000_000 + b"]}", 413, "too_large", None),
    ],
)
def test_bad_batches_are_refused_as_a_whole(world, sent, status, code, field):
    response = world.score.post("/v1/score/batch", content=sent if isinstance(sent, bytes) else json.dumps(sent))
    check_problem(response, status, code, field)
    assert CARD_NUMBER not in response.text
    assert world.ledger.count() == 0


def test_each_bad_transaction_of_a_batch_is_listed_and_none_is_decided(world):
    sent = [payment(0), payment(1, amount=-1), payment(2), payment(3, card_id=CARD_NUMBER), 17]
    body = check_problem(
        world.score.post("/v1/score/batch", json={"transactions": sent}), 422, "invalid_batch", "transactions[1].amount"
    )
    assert [(e["index"], e["code"], e["field"]) for e in body["errors"]] == [
        (1, "out_of_range", "transactions[1].amount"),
        (3, "card_number", "transactions[3].card_id"),
        (4, "wrong_type", "transactions[4]"),
    ]
    assert CARD_NUMBER not in json.dumps(body)
    assert world.ledger.count() == 0


def test_one_transaction_of_a_batch_may_not_be_larger_than_one_alone(world):
    sent = {"transactions": [payment(1), payment(2, merchant_id="x" * 70_000)]}
    body = check_problem(world.score.post("/v1/score/batch", json=sent), 422, "invalid_batch")
    assert body["errors"][0]["code"] == "too_large"


def test_future_times_are_accepted_where_histories_are_replayed():
    world = World(refuse_future=False)
    assert world.score.post("/v1/score", json=payment(event_time="2031-01-01T00:00:00Z")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_only_plain_json_is_taken(world, headers):
    check_problem(
        world.score.request("POST", "/v1/score", content=b"{}", headers=headers), 415, "unsupported_media_type"
    )


def test_json_with_a_charset_or_without_a_name_is_taken(world):
    sent = json.dumps(payment()).encode()
    charset = {"Content-Type": "application/json; charset=utf-8"}
    assert world.score.request("POST", "/v1/score", content=sent, headers=charset).status_code == 200
    assert world.score.request("POST", "/v1/score", content=sent).status_code == 200


def test_decisions_are_looked_up_by_any_id_that_a_transaction_may_have(world):
    world.score.post("/v1/score", json=payment(transaction_id="a/b?c%20d"))
    assert world.score.get("/v1/decisions/a%2Fb%3Fc%2520d").json()["transaction_id"] == "a/b?c%20d"


def test_an_unknown_id_is_not_found_and_a_card_number_as_id_is_not_repeated(world):
    body = check_problem(world.score.get("/v1/decisions/nobody"), 404, "unknown_transaction", "transaction_id")
    assert "nobody" in body["detail"]
    with capture_logs() as logs:
        response = world.score.get(f"/v1/decisions/{CARD_NUMBER}")
    check_problem(response, 404, "unknown_transaction")
    assert CARD_NUMBER not in response.text + repr(logs)


def test_a_ledger_that_is_away_is_a_503_and_says_to_come_back():
    def fault(step):
        if step in ("find", "commit"):
            raise LedgerUnavailable("db.internal is gone")

    with capture_logs() as logs:
        response = World(fault=fault).score.post("/v1/score", json=payment())
    check_problem(response, 503, "ledger_unavailable")
    assert response.headers["retry-after"] == "1"
    assert "internal" not in response.text
    assert any("db.internal" in entry.get("error", "") for entry in logs)


def test_a_store_that_is_away_degrades_the_decision_and_never_approves(world):
    def broken(_keys):
        raise StoreUnavailable("gone")

    world.store.read = broken
    decision = world.score.post("/v1/score", json=payment()).json()
    assert (decision["degraded"], decision["decision"]) == (["features"], "review")
    assert world.metric("fraud_degraded_decisions_total", stage="features") == 1


def test_a_surprise_is_a_500_without_internals(world):
    def broken(_keys):
        raise RuntimeError("secret internals")

    world.store.read = broken
    with capture_logs() as logs:
        response = world.score.post("/v1/score", json=payment())
    check_problem(response, 500, "internal")
    assert "secret" not in response.text
    assert any(entry["event"] == "request failed" and entry.get("exc_info") for entry in logs)
    assert world.metric("fraud_http_requests_total", method="POST", route="/v1/score", status="500") == 1


def test_decisions_are_logged_with_their_request(world):
    with capture_logs() as logs:
        response = world.score.request(
            "POST", "/v1/score", json=payment(), headers={"X-Request-ID": "from-the-caller.1"}
        )
    [line] = [entry for entry in logs if entry["event"] == "decided"]
    assert (line["transaction_id"], line["decision"], line["request_id"]) == ("t1", "approve", "from-the-caller.1")
    assert response.headers["x-request-id"] == "from-the-caller.1"
    assert "card-1" not in repr(logs)
