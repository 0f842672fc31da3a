"""Settings from the environment, secrets from files, and errors that name variables but no values."""

import pytest

from features.errors import ConfigurationError
from services.settings import Settings


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """Take away what the machine that runs the tests may have set."""
    for name in ("REDIS_URL", "KAFKA_SASL_PASSWORD", "RINGFENCE_TOKEN", "LEDGER_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("KAFKA_SASL_PASSWORD", "kafka_sasl_password"),
        ("RINGFENCE_TOKEN", "token"),
        ("REDIS_URL", "redis_url"),
        ("LEDGER_PASSWORD", "ledger_password"),
    ],
)
def test_a_secret_comes_from_a_file_without_its_line_end(tmp_path, monkeypatch, name, field):
    file = tmp_path / "secret"
    for content in ("hush hush\n", "hush hush\r\n", "hush hush"):
        file.write_bytes(content.encode())
        monkeypatch.setenv(f"{name}_FILE", str(file))
        assert getattr(Settings(), field).get_secret_value() == "hush hush"


def test_a_secret_is_not_shown():
    assert "hush" not in repr(Settings(kafka_sasl_password="hush"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"hush\nhush\n", "more than one line"),
        (b"hush\xff", "not text"),
        (b"hush" * 20_000, "more than 65,536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_named_and_its_content_is_not(tmp_path, monkeypatch, content, reason):
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", str(file))
    with pytest.raises(ConfigurationError, match=reason) as caught:
        Settings()
    assert "KAFKA_SASL_PASSWORD_FILE" in caught.value.message
    assert str(file) in caught.value.message
    assert "hush" not in str(caught.value)


def test_a_secret_and_its_file_are_one_too_many(tmp_path, monkeypatch):
    (tmp_path / "url").write_text("redis://elsewhere")
    monkeypatch.setenv("REDIS_URL", "redis://here")
    monkeypatch.setenv("REDIS_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(ConfigurationError, match="Both REDIS_URL and REDIS_URL_FILE"):
        Settings()


def test_an_empty_variable_counts_as_absent(monkeypatch):
    for name in ("REDIS_URL", "REDIS_URL_FILE", "KAFKA_SECURITY_PROTOCOL", "RINGFENCE_BATCH"):
        monkeypatch.setenv(name, "")
    settings = Settings()
    assert (settings.redis_url, settings.kafka_security_protocol, settings.batch) == (None, "PLAINTEXT", None)


def test_sampling_live_takes_smaller_micro_batches_unless_told_otherwise():
    assert Settings().micro_batch == 64
    assert Settings(gnn="live").micro_batch == 32
    assert Settings(gnn="live", batch=64).micro_batch == 64


def test_values_that_cannot_be_used_are_refused_by_name_and_not_quoted(monkeypatch):
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "hush-1")
    monkeypatch.setenv("RINGFENCE_BATCH", "hush-2")
    with pytest.raises(ConfigurationError) as caught:
        Settings()
    assert "KAFKA_SECURITY_PROTOCOL: input should be 'PLAINTEXT'" in caught.value.message
    assert "RINGFENCE_BATCH: input should be a valid integer" in caught.value.message
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None
