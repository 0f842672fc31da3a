"""Problem details: every error has a status, and what is internal stays inside."""

import msgspec
import pytest

from features import errors
from services.problems import MEDIA_TYPE, STATUS_OF, BadItem, HttpProblem, Problem, from_domain, from_status, respond

CARD = "4111111111111111"


def tree(root):
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def body(response):
    assert response.media_type == MEDIA_TYPE
    return msgspec.json.decode(response.body, type=Problem)


def test_every_error_of_the_tree_has_a_status_of_its_own():
    own = {kind for kind in tree(errors.RingfenceError) if kind.__module__ == errors.__name__}
    assert own == set(STATUS_OF)


def test_an_invalid_input_names_its_field_and_its_remedy():
    problem = from_domain(
        errors.InvalidTransaction("naive_time", "event_time has no zone.", field="event_time", remedy="Z.")
    )
    sent = body(respond(problem, path="/v1/score", request_id="r1"))
    assert sent == Problem(
        type="/problems/naive_time",
        title="Time without time zone",
        status=422,
        detail="event_time has no zone.",
        instance="/v1/score",
        code="naive_time",
        request_id="r1",
        field="event_time",
        remedy="Z.",
    )


@pytest.mark.parametrize(("code", "status"), [("not_json", 400), ("too_large", 413), ("anything_else", 422)])
def test_status_by_code(code, status):
    assert from_domain(errors.InvalidLabel(code, "x")).status == status


def test_an_absent_dependency_asks_to_come_back_and_keeps_its_address_to_itself():
    problem = from_domain(errors.LedgerUnavailable("postgresql://user@db.internal does not answer"))
    response = respond(problem)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert b"internal" not in response.body


@pytest.mark.parametrize("kind", [errors.StateError, errors.BundleError, errors.ConfigurationError, errors.DataError])
def test_faults_of_the_service_show_no_internals(kind):
    response = respond(from_domain(kind("/srv/secret/path is broken", remedy="rm /srv/secret/path")))
    assert response.status_code == 500
    assert b"secret" not in response.body
    assert body(response).remedy


def test_card_numbers_are_masked_in_fields_details_and_paths():
    problem = from_domain(errors.InvalidInput("unknown_field", f"x{CARD} is unknown.", field=f"x {CARD}"))
    response = respond(problem, path=f"/v1/decisions/{CARD}")
    assert CARD.encode() not in response.body
    assert body(response).instance.endswith("1111")


def test_bare_statuses_become_problems_and_keep_their_headers():
    problem = from_status(405, {"Allow": "GET"})
    assert (problem.code, problem.headers) == ("method_not_allowed", {"Allow": "GET"})
    assert from_status(404).code == "not_found"
    assert from_status(418).code == "im_a_teapot"


def test_items_of_a_batch_are_listed():
    item = BadItem(index=3, code="missing_field", detail="amount is missing.", field="transactions[3].amount")
    assert body(respond(HttpProblem(422, "invalid_batch", "bad", bad_items=(item,)))).errors == (item,)
