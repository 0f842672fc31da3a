"""States in the hashes of Feast's Redis online store: one round trip for all entities of a micro-batch.

Feast can read what is written here; the commands are our own because Feast's take a round trip for each feature view
and drop a write whose time is not newer (https://docs.feast.dev/reference/online-stores/redis tells the format).
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import redis
from feast.infra.online_stores.helpers import _mmh3 as field_name
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]  # ships no types

from features.store import ENTITIES, HISTORY_OF, UNREADABLE, Entity, Found, States
from features.stores.feast_instance import FEATURE, PROJECT, VIEW_NAMES, key_bytes, open_instance
from features.stores.feast_value import unwrap, wrap
from features.stores.redis_server import EMPTIED, RedisServer

TIMEOUT_S = 0.5
_STATE_FIELDS: dict[Entity, bytes] = {entity: field_name(f"{VIEW_NAMES[entity]}:{FEATURE}") for entity in ENTITIES}
_TIME_FIELDS: dict[Entity, str] = {entity: f"_ts:{VIEW_NAMES[entity]}" for entity in ENTITIES}
_PROJECT_SUFFIX = PROJECT.encode()
_OWNER, _REFILLING = f"{PROJECT}:owner", f"{PROJECT}:refilling"
_REFILL_MS = 15_000  # after which another process may take over the task of filling the store
_KEYS_A_CALL = 256  # Redis does nothing else meanwhile: about a millisecond
_TOKEN_BYTES = 112  # of a packed state that tell it from any other: its checksum and the counts in its header
# Compares and sets one state after the other; answers with the places, and values, of those that had changed.
_REPLACE = """
if ARGV[1] ~= '' and redis.call('GET', KEYS[#KEYS]) ~= ARGV[1] then return redis.error_reply('EMPTIED') end
local changed = {}
for i = 1, #KEYS - 1 do
  local at = 6 * i - 4
  local present = redis.pcall('HGET', KEYS[i], ARGV[at + 2])
  if type(present) == 'table' then
    redis.call('DEL', KEYS[i])
    present = false
  end
  local size = tonumber(ARGV[at + 4])
  if present and (#present ~= size or string.sub(present, 1, #ARGV[at + 5]) ~= ARGV[at + 5]) then
    changed[#changed + 1] = i
    changed[#changed + 1] = present
  else
    redis.call('HSET', KEYS[i], ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
  end
end
return changed
"""


class RedisStates:
    """Reads and writes states in one Redis database; safe to share between threads."""

    bulk_rows = 2_000

    def __init__(self, directory: Path, url: str, timeout_s: float = TIMEOUT_S) -> None:
        self._server = RedisServer(url, timeout_s)
        self._client = self._server.client
        self._replace = self._client.register_script(_REPLACE)
        self._owner: str | None = None  # whose states these have to be
        self._name = secrets.token_bytes(16)
        self._refilling = False
        self.instance = open_instance(directory, {"type": "redis", "connection_string": self._server.options})

    def check(self) -> None:
        """Raise `StoreUnavailable` unless the server answers; take note of whose states it holds."""
        self._owner = None
        self.owner()

    def owner(self) -> str | None:
        """Return who claimed the states; from now on they have to be that ledger's."""
        with self._server.errors():
            found = self._client.get(_OWNER)
        owner = found.decode() if isinstance(found, bytes) else None
        if owner is not None and not owner.startswith(HISTORY_OF):
            self._owner = owner
        return owner

    def claim(self, owner: str) -> None:
        """Say whose states these are; whoever was filling the store has done so."""
        with self._server.errors(), self._client.pipeline() as pipe:
            pipe.set(_OWNER, owner)
            pipe.delete(_REFILLING)
            pipe.execute()
        self._owner = owner
        self._refilling = False

    def refill(self) -> bool:
        """Take, or go on with, the task of filling the store."""
        with self._server.errors():
            if not self._client.set(_REFILLING, self._name, nx=True, px=_REFILL_MS):
                if self._client.get(_REFILLING) != self._name:
                    self._refilling = False
                    return False
                self._client.pexpire(_REFILLING, _REFILL_MS)
            elif self._refilling:  # the task is gone, and with it, perhaps, all that was filled in: begin anew
                self._client.delete(_REFILLING)
                self._refilling = False
                return False
        self._refilling = True
        self._owner = None  # what is read and replaced from here on is this process's own work
        return True

    def read(self, keys: Mapping[Entity, Sequence[str]]) -> Found:
        """Return the states found, some hundred in a round trip."""
        wanted = [(entity, key) for entity, of_entity in keys.items() for key in dict.fromkeys(of_entity)]
        found: Found = {entity: {} for entity in keys}
        if not wanted:
            return found
        for start in range(0, len(wanted), _KEYS_A_CALL):
            part = wanted[start : start + _KEYS_A_CALL]
            commands = [("HGET", _redis_key(entity, key), _STATE_FIELDS[entity]) for entity, key in part]
            with self._server.errors():
                *values, owner = self._server.ask(
                    [*commands, ("GET", _OWNER)]
                )  # the owner last: it vouches for all before
                if self._owner is not None and owner != self._owner.encode():
                    raise redis.ResponseError(EMPTIED)
                for (entity, key), value in zip(part, values, strict=True):
                    if value is not None:
                        found[entity][key] = UNREADABLE if _is_of_another_type(value) else unwrap(value)
        return found

    def replace(self, states: States, read: States, as_of: datetime) -> Found:
        """Set the states that are as they were read, some hundred in a round trip; return the others.

        Durable as far as the server's append-only file is. States are told apart by their length and their first bytes,
        in which a packed state has its checksum. Whatever lies under a state's key that is no hash is deleted first.
        """
        expected = {(entity, key): wrap(state) for entity, rows in read.items() for key, state in rows.items()}
        expected |= self._unreadable(states, read)
        event_time = _event_time(as_of)
        conflicts: Found = {}
        rows = [(entity, key, state) for entity, of_entity in states.items() for key, state in of_entity.items()]
        for start in range(0, len(rows), _KEYS_A_CALL):
            part = rows[start : start + _KEYS_A_CALL]
            arguments: list[str | bytes | int] = [self._owner or ""]
            for entity, key, state in part:
                token = expected.get((entity, key))
                size, prefix = (-1, b"") if token is None else (len(token), token[:_TOKEN_BYTES])
                arguments += [_TIME_FIELDS[entity], event_time, _STATE_FIELDS[entity], wrap(state), size, prefix]
            names = [_redis_key(entity, key) for entity, key, _ in part]
            with self._server.errors():
                changed = iter(self._replace([*names, _OWNER], arguments))
            for place, present in zip(changed, changed, strict=True):
                entity, key, _ = part[place - 1]
                conflicts.setdefault(entity, {})[key] = unwrap(present)
        return conflicts

    def _unreadable(self, states: States, read: States) -> dict[tuple[Entity, str], bytes]:
        """Return what lies where nothing readable was found, so that it can be told from what another writer sets."""
        places = [
            (entity, key)
            for entity, rows in states.items()
            for key in rows
            if read.get(entity, {}).get(key) == UNREADABLE
        ]
        if not places:
            return {}
        with self._server.errors(), self._client.pipeline(transaction=False) as pipe:
            for entity, key in places:
                pipe.hget(_redis_key(entity, key), _STATE_FIELDS[entity])
            replies = zip(places, pipe.execute(raise_on_error=False), strict=True)
        return {place: reply for place, reply in replies if isinstance(reply, bytes) and unwrap(reply) == UNREADABLE}

    def write(self, states: States, as_of: datetime) -> None:
        """Set all states in one round trip, whatever is there; durable as far as the server's append-only file is.

        Whatever lies under a state's key that is no hash is deleted first, which takes a second one.
        """
        event_time = _event_time(as_of)
        rows: list[tuple[bytes, list[str | bytes]]] = [
            (_redis_key(entity, key), [_TIME_FIELDS[entity], event_time, _STATE_FIELDS[entity], wrap(state)])
            for entity, of_entity in states.items()
            for key, state in of_entity.items()
        ]
        with self._server.errors():
            if blocked := self._set(rows):
                self._client.delete(*(name for name, _ in blocked))
                self._set(blocked)

    def _set(self, rows: Sequence[tuple[bytes, list[str | bytes]]]) -> list[tuple[bytes, list[str | bytes]]]:
        """Set the fields of hashes; return the rows under whose key something else lies."""
        with self._client.pipeline(transaction=False) as pipe:
            for name, fields in rows:
                pipe.hset(name, items=fields)
            replies = pipe.execute(raise_on_error=False)
        return [row for row, reply in zip(rows, replies, strict=True) if _is_of_another_type(reply)]

    def close(self) -> None:
        """Close the connections."""
        self._server.close()


def _event_time(as_of: datetime) -> bytes:
    """Return a time as Feast stores it."""
    stamp = Timestamp()
    stamp.FromDatetime(as_of)
    encoded: bytes = stamp.SerializeToString()
    return encoded


def _is_of_another_type(reply: object) -> bool:
    """Tell whether something that is no hash lies under the key; raise any other error that Redis replied with.

    redis-py itself would raise the first error of a pipeline, with the key in its text.
    """
    if isinstance(reply, redis.ResponseError) and str(reply).startswith("WRONGTYPE"):
        return True
    if isinstance(reply, Exception):
        raise reply
    return False


def _redis_key(entity: Entity, key: str) -> bytes:
    return key_bytes(entity, key) + _PROJECT_SUFFIX
