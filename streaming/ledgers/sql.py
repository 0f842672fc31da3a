"""The ledger in a SQL database: SQLite by default, PostgreSQL by URL."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Row
from sqlalchemy.exc import IntegrityError

from features.epoch import epoch_us
from features.events import Event, LabelEvent, first_seq, source_of
from features.label import Label
from features.stores.write_ahead_log import Checkpoints
from features.transaction import Transaction
from streaming.ledger import LabelHistory, LedgerBatch, Progress, Recorded, TransactionRef
from streaming.ledgers import rows, schema, statements
from streaming.ledgers.batches import (
    check_no_duplicates,
    check_seqs_differ,
    duplicate,
    ends_of_sources,
    given_seqs,
    not_waiting,
    out_of_order,
)
from streaming.ledgers.bulk import AdvanceSources, BulkInsert
from streaming.ledgers.database import READS, open_engine, parse_url, translated, upgrade
from streaming.ledgers.packing import Names, decode_names, encode_names, names_id

_IDS_A_STATEMENT = 5_000  # databases limit the parameters of one statement
_ROWS_A_STATEMENT = 10_000
_NEWEST = 2**63 - 1


def open_ledger(url: str) -> "SqlLedger":
    """Open the ledger at a database URL, creating or migrating its schema first.

    Raises:
        ConfigurationError: the URL names no SQLite file or PostgreSQL database.
        StateError: what is there is damaged, foreign or newer than this program.
        LedgerUnavailable: the database does not answer.

    """
    engine = open_engine(parse_url(url))
    try:
        upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    sqlite = engine.dialect.name == "sqlite"
    return SqlLedger(engine, Checkpoints(Path(str(engine.url.database))) if sqlite else None)


class SqlLedger:
    """Durable decisions and labels in SQLite or PostgreSQL; safe to share between threads and processes.

    What `commit` wrote survives a killed process and a power cut. Any number of workers, each with sources of its own,
    and of services read and record at once. Open it with `open_ledger`.
    """

    def __init__(self, engine: Engine, checkpoints: Checkpoints | None = None) -> None:
        self._engine = engine
        self._checkpoints = checkpoints
        # Reads are single statements: on PostgreSQL they need no transaction around them.
        options = {} if engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
        self._reader = engine.execution_options(**{READS: True}, **options)
        self._insert_decisions = BulkInsert(schema.decisions, engine.dialect)
        self._advance_sources = AdvanceSources(engine.dialect)
        self._insert_labels = BulkInsert(schema.labels, engine.dialect, only_new=True)
        self._insert_history = BulkInsert(schema.history, engine.dialect, only_new=True)
        self._insert_names = BulkInsert(schema.feature_names, engine.dialect, only_new=True)
        self._ids_of_names: dict[Names, int] = {}  # stored for certain
        self._names: dict[int, Names] = {}

    def find(self, transaction_ids: Sequence[str]) -> dict[str, Recorded]:
        """Return the recorded decisions among ``transaction_ids``."""
        found = self._recorded(self._select_in(statements.FIND, transaction_ids))
        return {recorded.transaction.transaction_id: recorded for recorded in found}

    def recent(self, limit: int, before: str | None = None) -> list[Recorded]:
        """At most ``limit`` decisions, newest first; ``before`` (a transaction id) continues behind that one."""
        row_number: int | None = _NEWEST
        if before is not None:
            row_number = self._scalar(statements.ROW_NUMBER, transaction_id=before)
        return self._recorded(self._select(statements.RECENT, before=row_number or 0, limit=limit))

    def commit(self, batch: LedgerBatch) -> None:
        """Write a batch in one transaction, as `streaming.ledger.Ledger.commit` says.

        Raises:
            DuplicateConflict: a decision's transaction id is recorded already, or twice in the batch.
            Superseded: a ``seq`` is not above the last one of its source, or something that is to get one has one.
            ValueError: the batch gives one ``seq`` twice.
            LedgerUnavailable: the database failed (its disk is full, say); find() tells whether a batch is in.

        """
        check_no_duplicates(batch)
        seqs = given_seqs(batch)
        check_seqs_differ(seqs)
        names = {tuple(recorded.decision.features) for recorded in batch.decisions} - self._ids_of_names.keys()
        new_names = {each: names_id(each) for each in names}
        ids = {**self._ids_of_names, **new_names}
        decisions = rows.to_rows(batch.decisions, ids)
        try:
            with self._writing() as connection:
                if new_names:
                    packed = [{"id": key, "names_json": encode_names(each)} for each, key in new_names.items()]
                    self._insert_names(connection, packed)
                if decisions:
                    self._insert_decisions(connection, decisions)
                self._write_rest(connection, batch, seqs)
        except IntegrityError:
            known = self._select_in(statements.KNOWN_IDS, [row["transaction_id"] for row in decisions])
            if known:
                raise duplicate(row.transaction_id for row in known) from None
            raise out_of_order(min(seqs), max(seqs)) from None
        self._ids_of_names |= new_names

    def identity(self) -> str:
        """What tells this ledger from any other."""
        return str(self._scalar(statements.IDENTITY))

    def sources(self) -> dict[int, Progress]:
        """Every source that was given a ``seq``, and how far it has come."""
        return {row.source: Progress(row.last_seq, row.checkpoint) for row in self._select(statements.SOURCES)}

    def save_checkpoints(self, seqs: Collection[int]) -> None:
        """Move the checkpoints of the sources of ``seqs`` forward; a lower value than the stored one is ignored."""
        if seqs:
            with self._writing() as connection:
                for seq in sorted(seqs):  # always in this order, so that workers do not lock each other out
                    connection.execute(statements.ADVANCE_CHECKPOINT, {"source_": source_of(seq), "to": seq})

    def events_after(self, seq: int, limit: int) -> list[Event]:
        """Transactions and labels of the same source with a larger ``seq``, in order, at most ``limit``."""
        end = first_seq(source_of(seq) + 1)
        found = self._select(statements.EVENTS_AFTER, after=seq, before=end, limit=limit)
        return [rows.event_from(row) for row in found]

    def pending_labels(self, partitions: Collection[int]) -> list[LabelEvent]:
        """Labels of known transactions that came by these partitions and have no ``seq`` yet, by label time."""
        found = self._select(statements.PENDING_LABELS, partitions=list(partitions))
        return [rows.label_event_from(row) for row in found]

    def refs(self, transaction_ids: Sequence[str]) -> dict[str, TransactionRef]:
        """Entities of decided or imported transactions, for joining labels."""
        imported = map(rows.history_ref, self._select_in(statements.HISTORY_REFS, transaction_ids))
        decided = map(rows.decided_ref, self._select_in(statements.DECIDED_REFS, transaction_ids))
        return {ref.transaction_id: ref for ref in (*imported, *decided)}

    def import_history(self, refs: Sequence[TransactionRef]) -> None:
        """Remember transactions that were never decided here; those known already keep their entities."""
        with self._writing() as connection:
            for start in range(0, len(refs), _ROWS_A_STATEMENT):
                chunk = refs[start : start + _ROWS_A_STATEMENT]
                self._insert_history(connection, [rows.history_row(ref) for ref in chunk])

    def has_history(self) -> bool:
        """Whether transactions that were never decided here have been imported."""
        return bool(self._select(statements.ANY_HISTORY))

    def labels(self, transaction_ids: Sequence[str]) -> dict[str, LabelHistory]:
        """Label histories of the transactions that have any."""
        found: dict[str, list[Label]] = {}
        for row in self._select_in(statements.LABELS, transaction_ids):
            found.setdefault(row.transaction_id, []).append(rows.label_from(row))
        return {key: LabelHistory(key, tuple(history)) for key, history in found.items()}

    def unforwarded(self, limit: int) -> list[Transaction]:
        """Transactions decided over REST that were not yet handed to the transactions topic, oldest first."""
        return [rows.transaction_from(row) for row in self._select(statements.UNFORWARDED, limit=limit)]

    def mark_forwarded(self, transaction_ids: Sequence[str]) -> None:
        """Record that these were handed over."""
        with self._writing() as connection:
            for ids in _chunks(transaction_ids):
                connection.execute(statements.MARK_FORWARDED, {"ids": ids})

    def count(self) -> int:
        """How many decisions are recorded."""
        return int(self._scalar(statements.COUNT))

    def close(self) -> None:
        """Release connections."""
        if self._checkpoints is not None:
            self._checkpoints.close()
        self._engine.dispose()

    def _write_rest(self, connection: Connection, batch: LedgerBatch, seqs: list[int]) -> None:
        """Everything but the decisions themselves, which come first so that a duplicate is told as one."""
        if seqs and not self._advance_sources(connection, ends_of_sources(seqs)):
            raise out_of_order(min(seqs), max(seqs))
        for transaction_id, seq in batch.placed:
            if not connection.execute(statements.PLACE, {"id_": transaction_id, "seq_": seq}).rowcount:
                raise not_waiting("The decision", transaction_id)
        if batch.labels:
            partitions = batch.label_partitions or [0] * len(batch.labels)
            self._insert_labels(connection, list(map(rows.label_row, batch.labels, partitions)))
        for event in batch.folded_labels:
            named = {"id_": event.transaction_id, "is_fraud_": event.is_fraud, "seq_": event.seq}
            named["label_time_us_"] = epoch_us(event.label_time)
            if not connection.execute(statements.PLACE_LABEL, named).rowcount:
                raise not_waiting("The label", event.transaction_id)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with translated(self._engine.url), self._engine.begin() as connection:
            yield connection

    def _select(self, statement: Executable, **parameters: Any) -> Sequence[Row[Any]]:
        with translated(self._engine.url), self._reader.connect() as connection:
            return connection.execute(statement, parameters).all()

    def _select_in(self, statement: Executable, ids: Sequence[str]) -> list[Row[Any]]:
        return [row for chunk in _chunks(ids) for row in self._select(statement, ids=chunk)]

    def _scalar(self, statement: Executable, **parameters: Any) -> Any:
        found = self._select(statement, **parameters)
        return found[0][0] if found else None

    def _recorded(self, found: Sequence[Row[Any]]) -> list[Recorded]:
        unknown = {row.feature_names for row in found} - self._names.keys()
        if unknown:
            for row in self._select(statements.NAMES, ids=list(unknown)):
                self._names[row.id] = decode_names(row.names_json)
        return [rows.recorded_from(row, self._names[row.feature_names]) for row in found]


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), _IDS_A_STATEMENT):
        yield distinct[start : start + _IDS_A_STATEMENT]
