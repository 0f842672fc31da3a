"""One Redis server: its URL, its connections, and its errors as ours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from features.errors import ConfigurationError, StoreEmptied, StoreUnavailable

EMPTIED = "EMPTIED"  # the error that says that the states are gone
_TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})


class RedisServer:
    """Connections to one database; safe to share between threads.

    ``address`` is its host and port, ``options`` is Feast's connection string for it. Raises `ConfigurationError` for
    a URL that cannot be used.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self.address, self.options = parse_url(url)
        # No retries: the caller has a budget. The pool itself replaces connections that a restarted server has closed.
        try:
            self.client = redis.Redis.from_url(
                url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
            )
        except (ValueError, TypeError):
            raise _bad_url("an option after the question mark is not valid") from None

    def ask(self, commands: Sequence[tuple[str | bytes, ...]]) -> list[object]:
        """Send commands in one go and return their replies, errors among them.

        redis-py's own pipeline takes three times as long, a script on the server four times as long there.
        """
        pool = self.client.connection_pool
        connection: Any = pool.get_connection()  # its methods ship no types
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            return [_reply(connection) for _ in commands]
        except BaseException:
            connection.disconnect()  # replies that are still to come would be taken for those of the next command
            raise
        finally:
            pool.release(connection)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Map every error of Redis to ours; none of them repeats the password."""
        try:
            yield
        except redis.AuthenticationError as exc:
            raise StoreUnavailable(
                f"Redis at {self.address} refused the login.", remedy="Check user and password in the Redis URL."
            ) from exc
        except (redis.ConnectionError, redis.TimeoutError) as exc:
            raise StoreUnavailable(
                f"Redis at {self.address} does not answer: {exc}.",
                remedy="Check that it runs and that the Redis URL is right (rediss:// for TLS).",
            ) from exc
        except redis.RedisError as exc:
            if EMPTIED in str(exc):
                raise StoreEmptied(
                    f"Redis at {self.address} has lost the feature states it held.",
                    remedy="A worker fills it again from the ledger. Turn on its append-only file.",
                ) from exc
            raise StoreUnavailable(
                f"Redis at {self.address} refused a command: {exc}.",
                remedy="Check its memory limit, that it is a master and not loading, and its append-only file.",
            ) from exc

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def parse_url(url: str) -> tuple[str, str]:
    """Return ``host:port`` and Feast's connection string with the files of TLS, both without user and password.

    Raises `ConfigurationError`, which does not repeat the URL either.
    """
    try:
        parts = urlsplit(url)
        port, database = parts.port or 6379, int(parts.path.strip("/") or 0)
    except ValueError:
        raise _bad_url("the port or the database is not a number") from None
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise _bad_url("it does not start with redis://HOST or rediss://HOST")
    address = f"{parts.hostname}:{port}"
    options = [address, f"db={database}"]
    if parts.scheme == "rediss":
        options += ["ssl=true", *(f"{name}={value}" for name, value in parse_qsl(parts.query) if name in _TLS_FILES)]
    return address, ",".join(options)


def _bad_url(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The Redis URL cannot be used: {reason}.",
        remedy="Write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS.",
    )


def _reply(connection: Any) -> object:
    try:
        return connection.read_response(disable_decoding=True)
    except redis.ResponseError as error:
        return error
