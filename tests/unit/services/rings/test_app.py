"""The rings service: lists, rings, pictures, neighbourhoods; bounded, and behind the token."""

from datetime import timedelta
from xml.etree import ElementTree

import pytest
from prometheus_client import CollectorRegistry

from monitoring.metrics import Metrics
from services.rings import answers as ring_answers
from services.rings.app import create_rings_app
from services.rings.book import RingBook
from services.rings.finding import find_and_save
from tests.unit.models.rings.payments import AT, history, household, paid, ring_payments
from tests.unit.services.client import TOKEN, Client
from tests.unit.services.rings.states import HOSTILE, silent, with_rings
from tests.unit.services.test_score_app import check_problem


def client_of(state, token=TOKEN):
    app = create_rings_app(RingBook(state.rings), Metrics(CollectorRegistry()), TOKEN, list)
    return Client(app, token)


@pytest.fixture
def state(tmp_path):
    return with_rings(tmp_path)[0]


@pytest.fixture
def client(state):
    return client_of(state)


def test_rings_are_listed_and_shown(client):
    listed = client.get("/v1/rings").json()
    [short] = listed["rings"]
    assert (short["cards"], short["frauds"], listed["left_out"]) == (3, 6, 0)
    shown = client.get(f"/v1/rings/{short['ring_id']}").json()
    assert {member["id"] for member in shown["ring"]["members"]} == {"a", "b", "c", "dev", "ip-dev"}
    assert len(shown["ring"]["edges"]) == 6
    assert len(shown["ring"]["timeline"]) == 6
    assert short == {name: shown["ring"][name] for name in short}


def test_a_picture_is_an_svg_document(client):
    [ring] = client.get("/v1/rings").json()["rings"]
    answer = client.get(f"/v1/rings/{ring['ring_id']}/picture")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(answer.text).tag == "{http://www.w3.org/2000/svg}svg"


def test_neighbourhoods_are_of_all_links_not_of_rings_alone(client):
    device = client.get("/v1/entities/device/dev/neighbourhood").json()
    assert device["ring_id"].startswith("ring-")
    assert [each["id"] for each in device["neighbourhood"]["neighbours"]] == ["a", "b", "c"]
    family = client.get("/v1/entities/card/h2/neighbourhood").json()
    assert family["ring_id"] is None
    found = {(each["type"], each["id"]): each for each in family["neighbourhood"]["neighbours"]}
    assert found.keys() == {("device", "tv"), ("ip", "home")}
    assert (found["device", "tv"]["payments"], found["device", "tv"]["honest"]) == (10, 10)
    assert found["device", "tv"]["neighbours"] == 3


def test_ids_with_slashes_and_markup_are_found_and_never_break_out(tmp_path):
    table = history(*ring_payments(device=HOSTILE), *ring_payments(cards=("a/b?c#d", "%2F", "..", "e"), device="x/y"))
    client = client_of(with_rings(tmp_path, table)[0])
    for quoted in ("a%2Fb%3Fc%23d", "%252F"):
        answer = client.get(f"/v1/entities/card/{quoted}/neighbourhood")
        assert [each["id"] for each in answer.json()["neighbourhood"]["neighbours"]] == ["x/y", "ip-x/y"]
    for ring in client.get("/v1/rings").json()["rings"]:
        drawn = client.get(f"/v1/rings/{ring['ring_id']}/picture").text
        assert "<script" not in drawn
        ElementTree.fromstring(drawn)


def test_hubs_are_cut_and_say_so(tmp_path, monkeypatch):
    crowd = [paid(f"c{n}", n % 20, fraud=0, ip="hub") for n in range(130)]
    state, _ = with_rings(tmp_path, history(*ring_payments(), *crowd))
    client = client_of(state)
    hub = client.get("/v1/entities/ip/hub/neighbourhood").json()["neighbourhood"]
    assert (len(hub["neighbours"]), hub["left_out"]) == (ring_answers.MOST_NEIGHBOURS, 30)
    for name in ("MOST_MEMBERS", "MOST_EDGES", "MOST_DAYS", "MOST_RINGS"):
        monkeypatch.setattr(ring_answers, name, 2)
    [ring] = client.get("/v1/rings").json()["rings"]
    shown = client.get(f"/v1/rings/{ring['ring_id']}").json()
    assert shown["left_out"] == {"members": 3, "edges": 4, "timeline": 4}
    assert [day["day"] for day in shown["ring"]["timeline"]] == ["2026-01-08", "2026-01-09"]


def test_a_newer_snapshot_is_taken_up_and_a_damaged_one_is_not(state, client):
    first = client.get("/v1/rings").json()
    later = AT + timedelta(days=1)
    find_and_save(state, history(*ring_payments("abcd")), later, progress=silent)
    second = client.get("/v1/rings").json()
    assert (first["rings"][0]["cards"], second["rings"][0]["cards"]) == (3, 4)
    find_and_save(state, history(*ring_payments("abcdefg")), later + timedelta(days=1), progress=silent)
    newest = max(state.rings.glob("*Z.json"))
    newest.write_bytes(newest.read_bytes()[:-1])
    assert client.get("/v1/rings").json() == second


@pytest.mark.parametrize(
    ("path", "status", "code", "field"),
    [
        ("/v1/rings/ring-x", 404, "unknown_ring", "ring_id"),
        ("/v1/rings/ring-x/picture", 404, "unknown_ring", "ring_id"),
        ("/v1/entities/shop/x/neighbourhood", 404, "unknown_entity_type", "entity_type"),
        ("/v1/entities/card/x/neighbourhood", 404, "unknown_entity", "entity_id"),
        ("/v1/entities/card/4111111111111111/neighbourhood", 404, "unknown_entity", "entity_id"),
    ],
)
def test_what_is_not_there_is_a_problem(client, path, status, code, field):
    answer = client.get(path)
    check_problem(answer, status, code, field)
    assert "4111111111111111" not in answer.text


def test_without_a_snapshot_the_service_is_not_ready_and_says_why(tmp_path):
    state, _ = with_rings(tmp_path, history(*household()))
    assert client_of(state).get("/health/ready").status_code == 200
    for path in state.rings.iterdir():
        path.unlink()
    client = client_of(state)
    check_problem(client.get("/health/ready"), 503, "not_ready")
    check_problem(client.get("/v1/rings"), 503, "no_rings")


def test_the_token_is_asked_for(state):
    assert client_of(state, token=None).get("/v1/rings").status_code == 401
