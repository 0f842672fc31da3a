import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog

from monitoring.logs import configure_logging
from monitoring.masking import mask_entry, mask_text

CARD = "4111111111111111"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("worker", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_has_its_keys_in_order_and_a_utc_time(lines: Lines) -> None:
    structlog.get_logger("streaming.worker").info("decided", transaction_id="tx-1", ms=1.5, seq=1772366401123456)
    (line,) = lines()
    assert list(line)[:5] == ["time", "level", "service", "logger", "event"]
    moment = datetime.fromisoformat(line.pop("time"))
    assert moment.utcoffset() == timedelta(0)
    assert line == {
        "level": "info",
        "service": "worker",
        "logger": "streaming.worker",
        "event": "decided",
        "transaction_id": "tx-1",
        "ms": 1.5,
        "seq": 1772366401123456,
    }


def test_bound_context_is_in_every_line(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger().warning("slow")
    assert lines()[0]["request_id"] == "r-1"


def test_the_standard_library_comes_out_in_the_same_form(lines: Lines) -> None:
    logging.getLogger("kafka.conn").warning("broker %s said %s", "b-1", CARD)
    logging.getLogger("kafka.conn").info("connecting")  # not news
    logging.getLogger("uvicorn.error").info("started")
    found = lines()
    assert [line["event"] for line in found] == ["broker b-1 said ************1111", "started"]
    assert {(line["logger"], line["level"]) for line in found} == {("kafka.conn", "warning"), ("uvicorn.error", "info")}
    assert all(line["service"] == "worker" and line["time"].endswith("Z") for line in found)


def test_warnings_are_logged(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old form", DeprecationWarning, stacklevel=1)
    assert "old form" in lines()[0]["event"]


def test_less_severe_lines_are_left_out(lines: Lines) -> None:
    structlog.get_logger().debug("detail")
    logging.getLogger("anything").debug("detail")
    assert lines() == []


def test_exceptions_are_told_without_card_numbers_or_local_values(lines: Lines) -> None:
    secret_local = "hunter2"
    try:
        raise ValueError(f"bad card {CARD}") from KeyError("4111 1111 1111 1111")
    except ValueError:
        structlog.get_logger().exception("failed", card=CARD)
        logging.getLogger("feast").exception("failed")
    first, second = lines()
    for line in (first, second):
        assert "Traceback" in line["exception"]
        assert "ValueError: bad card ************1111" in line["exception"]
    assert first["card"] == "************1111"
    assert CARD not in json.dumps([first, second])
    assert "4111 1111" not in json.dumps([first, second])
    assert secret_local not in first["exception"] + second["exception"]


def test_a_logger_made_before_configuring_follows() -> None:
    program = (
        "import structlog; log = structlog.get_logger('early')\n"
        "from monitoring.logs import configure_logging\n"
        "configure_logging('explain', level='warning')\n"
        "log.info('no'); log.error('yes', token='t')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    line = json.loads(done.stderr)
    assert done.stdout == ""
    assert (line["event"], line["service"], line["logger"], "token" in line) == ("yes", "explain", "early", False)


def test_keys_named_like_secrets_are_dropped_however_deep() -> None:
    entry = {
        "event": "x",
        "Authorization": "Bearer abc",
        "bearer_token": "abc",
        "password": "abc",
        "nested": {"API_KEY": "abc", "kept": [{"client_secret": "abc", "also": 1}]},
    }
    assert mask_entry(entry) == {"event": "x", "nested": {"kept": [{"also": 1}]}}


def test_card_numbers_are_masked_wherever_strings_hide() -> None:
    class Odd:
        def __repr__(self) -> str:
            return f"Odd({CARD})"

    entry = {
        "event": f"card {CARD}.",
        "deep": {"list": [f"a{'4111-1111-1111-1111'}", (CARD,)], CARD: {CARD}},
        "bytes": CARD.encode(),
        "object": Odd(),
        "error": ValueError(CARD),
        "number": 4111111111111111,
        "not_luhn": "4111111111111112",
        "short": "411111111111",
        "none": None,
        "flag": True,
    }
    masked = mask_entry(entry)
    assert masked["number"] == 4111111111111111  # a number may be a time in microseconds
    assert masked["not_luhn"] == "4111111111111112"
    assert (masked["short"], masked["none"], masked["flag"]) == ("411111111111", None, True)
    masked.pop("number")
    assert CARD not in json.dumps(masked)
    assert "4111-1111" not in json.dumps(masked)
    assert masked["error"] == "************1111"


def test_a_bottomless_entry_is_cut_off() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    assert "..." in json.dumps(mask_entry(endless))


def test_passwords_in_urls_and_bearer_tokens_are_masked() -> None:
    assert mask_text("postgresql://me:hunter2@db/x failed") == "postgresql://me:***@db/x failed"
    assert mask_text("redis://:hunter2@cache:6379") == "redis://:***@cache:6379"
    assert mask_text("sent Authorization: Bearer abc.def-ghi, then") == "sent Authorization: Bearer *** then"
