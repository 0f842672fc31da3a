"""The OpenAPI document: complete, with examples that are true, and held against the services by a fuzzer."""

import json
import tempfile
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from prometheus_client import CollectorRegistry

from features.codec import decode_transaction
from monitoring.metrics import Metrics
from services.openapi import portable
from services.rings.app import create_rings_app
from services.rings.book import RingBook
from tests.unit.services.client import TOKEN
from tests.unit.services.fuzzing import fuzz
from tests.unit.services.rings.states import with_rings
from tests.unit.services.worlds import World

WORLD = World()
RINGS, _ = with_rings(Path(tempfile.mkdtemp()) / "state")
APPS = {
    "score": WORLD.score.app,
    "explain": WORLD.explain.app,
    "rings": create_rings_app(RingBook(RINGS.rings), Metrics(CollectorRegistry()), TOKEN, list),
}
DOCUMENTS = {name: msgspec.json.decode(msgspec.json.encode(app.openapi())) for name, app in APPS.items()}
OPERATIONS = [
    (name, path, method)
    for name, document in DOCUMENTS.items()
    for path, item in document["paths"].items()
    for method in item
]


def examples(content):
    if "example" in content:
        yield content["example"]
    yield from (example["value"] for example in content.get("examples", {}).values())


def check(document, schema, value):
    jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_every_operation_is_there():
    assert {(name, path) for name, path, _ in OPERATIONS} >= {
        ("score", "/v1/score"),
        ("score", "/v1/score/batch"),
        ("score", "/v1/decisions/{transaction_id}"),
        ("explain", "/v1/explain"),
        ("explain", "/metrics"),
        ("explain", "/health/ready"),
        ("score", "/v1/schema/transaction"),
        ("rings", "/v1/rings"),
        ("rings", "/v1/rings/{ring_id}"),
        ("rings", "/v1/rings/{ring_id}/picture"),
        ("rings", "/v1/entities/{entity_type}/{entity_id}/neighbourhood"),
    }


@pytest.mark.parametrize(("name", "path", "method"), OPERATIONS)
def test_every_operation_is_described_and_its_examples_fit_their_schemas(name, path, method):
    document = DOCUMENTS[name]
    described = document["paths"][path][method]
    assert described["summary"]
    assert described["description"]
    contents = [answer["content"] for answer in described["responses"].values()]
    contents += [described["requestBody"]["content"]] if "requestBody" in described else []
    for content in contents:
        for body in content.values():
            found = list(examples(body))
            assert found
            for value in found:
                check(document, body["schema"], value)


@pytest.mark.parametrize(("name", "path", "method"), OPERATIONS)
def test_the_token_is_asked_for_everywhere_but_health(name, path, method):
    document = DOCUMENTS[name]
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    described = document["paths"][path][method]
    assert described.get("security") == ([] if path.startswith("/health/") else None)
    assert ("401" in described["responses"]) != path.startswith("/health/")


def test_request_examples_are_decided():
    content = DOCUMENTS["score"]["paths"]["/v1/score"]["post"]["requestBody"]["content"]["application/json"]
    for value in examples(content):
        decode_transaction(json.dumps(value).encode())
        assert WORLD.score.post("/v1/score", json=value).status_code == 200


def test_patterns_are_portable():
    assert portable({"a": [{"pattern": r"\A[!-~]+\Z"}], "pattern": {"pattern": "x"}}) == {
        "a": [{"pattern": "^[!-~]+$"}],
        "pattern": {"pattern": "x"},
    }
    assert "\\A" not in json.dumps(DOCUMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", APPS)
def test_a_fuzzer_finds_no_gap_between_the_document_and_the_service(name):
    schema = schemathesis.openapi.from_asgi("/openapi.json", APPS[name], headers={"Authorization": f"Bearer {TOKEN}"})
    assert fuzz(schema, TOKEN) > 20
