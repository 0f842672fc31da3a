import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.catalogue import NAMES
from features.datasets.mapping import load_mapping
from features.datasets.mapping_parser import parse_mapping
from features.datasets.reader import read_table
from features.errors import DataError
from features.table import COLUMNS, INCLUSION

CARD_NUMBER = "4111111111111111"
GOOD = {
    "transaction_id": "t1",
    "event_time": "2026-01-31T12:00:00Z",
    "card_id": "card1",
    "merchant_id": "m1",
    "amount": "12.5",
    "currency": "EUR",
}


def csv(tmp_path, *rows, columns=tuple(GOOD), name="data.csv"):
    """Write rows, each a change to GOOD, with its own transaction id unless it gives one."""
    lines = [",".join(columns)]
    for number, row in enumerate(rows, start=1):
        lines.append(",".join(str((GOOD | {"transaction_id": f"t{number}"} | row).get(name, "")) for name in columns))
    path = tmp_path / name
    path.write_bytes("\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))
    return path


def read(path, mapping="simulator", **options):
    return read_table(path, load_mapping(mapping) if isinstance(mapping, str) else mapping, **options)


def rejected(path, mapping="simulator"):
    """Return the rejects file's rows."""
    rejects = path.with_suffix(".rejects.jsonl")
    result = read(path, mapping, rejects=rejects)
    assert result.rows == len(result.table) + result.rejected
    assert sum(result.reasons.values()) == result.rejected
    assert result.rejects_path == rejects
    rows = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert len(rows) == result.rejected
    return rows


def with_columns(**changes):
    """Return the canonical mapping with some fields told in YAML."""
    fields = {name: name for name in GOOD} | changes
    return parse_mapping("columns:\n" + "".join(f"  {name}: {value}\n" for name, value in fields.items()), "test")


def test_canonical_names_need_no_more_than_the_required_columns(tmp_path):
    table = read(csv(tmp_path, {}, {"amount": "1e3", "event_time": "2026-01-31T14:00:00.123456+02:00"})).table
    assert tuple(table.columns) == COLUMNS
    assert table["transaction_id"].tolist() == ["t1", "t2"]
    assert table["amount"].tolist() == [12.5, 1000.0]
    assert table["event_time"].tolist() == [
        datetime(2026, 1, 31, 12, tzinfo=UTC),
        datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC),
    ]
    assert table[["mcc", "latitude", "ip", "is_fraud", "label_time"]].isna().all(axis=None)


def test_dtypes_are_those_of_the_contract(tmp_path):
    for columns in (tuple(GOOD), COLUMNS):
        label = {"is_fraud": "1", "label_time": "2026-02-01T00:00:00Z"}
        table = read(csv(tmp_path, label | {"latitude": "1.5"}, columns=columns)).table
        assert str(table["event_time"].dtype) == str(table["label_time"].dtype) == "datetime64[us, UTC]"
        assert table["amount"].dtype == table["latitude"].dtype == table["longitude"].dtype == np.float64
        assert table["is_fraud"].dtype == pd.Int8Dtype()
        assert {str(table[name].dtype) for name in ("card_id", "mcc", "channel", "currency")} == {"category"}
        assert table["transaction_id"].dtype == object


def test_rows_are_sorted_by_time_and_equal_times_keep_their_order(tmp_path):
    times = ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"] * 100  # short arrays are sorted stably by any algorithm
    table = read(csv(tmp_path, *({"event_time": time} for time in times))).table
    assert table["transaction_id"].tolist() == [f"t{i}" for i in (*range(2, 201, 2), *range(1, 200, 2))]
    assert table.index.tolist() == list(range(200))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("transaction_id", "", "missing_field"),
        ("transaction_id", "a b", "bad_format"),
        ("transaction_id", "é", "bad_format"),
        ("transaction_id", "x" * 129, "bad_format"),
        ("transaction_id", "a\0b", "bad_format"),
        ("transaction_id", "\udcff", "not_utf8"),
        ("event_time", "", "missing_field"),
        ("event_time", "2026-01-31T12:00:00", "naive_time"),
        ("event_time", "2026-01-31", "naive_time"),
        ("event_time", "2026-02-30T00:00:00Z", "impossible_time"),
        ("event_time", "yesterday", "impossible_time"),
        ("event_time", "1999-12-31T23:59:59Z", "impossible_time"),
        ("event_time", "9999-12-31T23:59:59Z", "impossible_time"),
        ("card_id", "", "missing_field"),
        ("card_id", CARD_NUMBER, "card_number"),
        ("card_id", "4111 1111 1111 1111", "card_number"),
        ("amount", "", "missing_field"),
        ("amount", "-1", "out_of_range"),
        ("amount", "-0.01", "out_of_range"),
        ("amount", "1000000000.01", "out_of_range"),
        ("amount", "1e400", "out_of_range"),
        ("amount", "nan", "wrong_type"),
        ("amount", "inf", "wrong_type"),
        ("amount", "12 EUR", "wrong_type"),
        ("amount", "0x10", "wrong_type"),
        ("amount", "1_0", "wrong_type"),
        ("currency", "", "missing_field"),
        ("currency", "eur", "bad_format"),
        ("currency", "XYZ", "unknown_currency"),
        ("mcc", "742", "bad_format"),
        ("country", "QQ", "unknown_country"),
        ("country", "fr", "bad_format"),
        ("latitude", "400", "out_of_range"),
        ("longitude", "-180.1", "out_of_range"),
        ("latitude", "north", "wrong_type"),
        ("channel", "web", "bad_format"),
        ("entry_mode", "CHIP", "bad_format"),
        ("ip", "a\tb", "bad_format"),
        ("is_fraud", "maybe", "unknown_label"),
        ("label_time", "soon", "impossible_time"),
        ("label_time", "2026-02-01T00:00:00Z", "missing_field"),  # without a label
    ],
)
def test_a_bad_value_rejects_its_row_alone(tmp_path, field, value, reason):
    path = csv(tmp_path, {}, {field: value}, {}, columns=COLUMNS)
    (row,) = rejected(path)
    column = "is_fraud" if field == "label_time" and value[0] == "2" else field
    assert (row["row"], row["column"], row["reason"]) == (2, column, reason)
    assert read(path).table["transaction_id"].tolist() == ["t1", "t3"]


def test_card_numbers_are_never_written_and_values_are_shortened(tmp_path):
    path = csv(
        tmp_path,
        {},
        {"card_id": CARD_NUMBER},
        {"merchant_id": f"shop {CARD_NUMBER}"},
        {"merchant_id": "x" * 1000},
        {"amount": CARD_NUMBER},
    )
    rows = rejected(path)
    assert CARD_NUMBER not in path.with_suffix(".rejects.jsonl").read_text()
    assert [row["value"] for row in rows] == [None, None, "x" * 200 + "…", None]


def test_a_prefix_does_not_hide_a_card_number_and_rejects_leave_no_trace_in_the_table(tmp_path):
    mapping = with_columns(card_id="{column: card_id, prefix: c}")
    path = csv(tmp_path, {"card_id": CARD_NUMBER}, {"card_id": "1"})
    assert [row["reason"] for row in rejected(path, mapping)] == ["card_number"]
    assert read(path, mapping).table["card_id"].cat.categories.tolist() == ["c1"]


def test_of_one_transaction_id_the_first_row_is_kept(tmp_path):
    again, other = {"transaction_id": "t1"}, {"transaction_id": "t1", "amount": "13"}
    path = csv(
        tmp_path,
        {},
        again,
        other,
        again | {"ip": "10.0.0.1"},
        {"amount": "-5"},
        {"transaction_id": "t5"},
        columns=COLUMNS,
    )
    rows = rejected(path)
    assert [(row["row"], row["reason"]) for row in rows] == [
        (2, "duplicate"),
        (3, "duplicate_conflict"),
        (4, "duplicate_conflict"),
        (5, "out_of_range"),
    ]
    assert read(path).table["transaction_id"].tolist() == ["t1", "t5"]  # row 6: its namesake was rejected


def test_fields_can_be_renamed_translated_scaled_and_set(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("No;When;Who;Where;Cents;Ch;Bad\n7;31.01.2026 13:30;5;8;1999;web;Y\n8;31.01.2026 13:31;5;8;1;?;\n")
    mapping = parse_mapping(
        """
        delimiter: ;
        columns:
          transaction_id: {column: "No", prefix: x-}
          event_time: {column: When, format: "%d.%m.%Y %H:%M", zone: Europe/Paris}
          card_id: {column: Who, prefix: c}
          customer_id: Who
          merchant_id: {column: Where}
          amount: {column: Cents, unit: cents}
          currency: {constant: EUR}
          channel: {column: Ch, values: {web: ecommerce, "?": ""}}
        label: {column: Bad, fraud: y, honest: [n], delay: 12 hours}
        """,
        "mine",
    )
    first, second = read(path, mapping).table.to_dict("records")
    assert first["event_time"] == datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
    assert first["label_time"] == datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
    assert [first[name] for name in ("transaction_id", "card_id", "customer_id", "amount", "channel", "is_fraud")] == [
        "x-7",
        "c5",
        "5",
        19.99,
        "ecommerce",
        1,
    ]
    assert pd.isna([second["channel"], second["is_fraud"], second["label_time"]]).all()


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("unix_s", "1769860800"),
        ("unix_s", "1769860800.0"),
        ("unix_ms", "1769860800000"),
        ("unix_us", "1769860800000000"),
        ("'%Y%m%d %H%M%S%z'", "20260131 140000+0200"),
        ("iso", "2026-01-31 12:00:00Z"),
        ("iso", "2026-01-31T07:00:00-0500"),
    ],
)
def test_time_formats(tmp_path, form, value):
    mapping = with_columns(event_time=f"{{column: event_time, format: {form}}}")
    (found,) = read(csv(tmp_path, {"event_time": value}), mapping).table["event_time"]
    assert found == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("value", ["-1", "946684799", "9300000000", "1e30", "noon"])
def test_unix_times_out_of_range_are_rejected(tmp_path, value):
    mapping = with_columns(event_time="{column: event_time, format: unix_s}")
    path = csv(tmp_path, {"event_time": "1769860800"}, {"event_time": value})
    (row,) = rejected(path, mapping)
    assert row["reason"] == ("wrong_type" if value == "noon" else "impossible_time")


def test_wall_clock_times_that_are_ambiguous_are_rejected(tmp_path):
    mapping = with_columns(event_time="{column: event_time, zone: Europe/Paris}")
    times = ["2026-03-29T02:30:00", "2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00", "2026-07-01T02:30:00"]
    path = csv(tmp_path, *({"event_time": time} for time in times))
    assert [(row["row"], row["reason"]) for row in rejected(path, mapping)] == [
        (1, "ambiguous_time"),
        (2, "ambiguous_time"),
    ]
    assert read(path, mapping).table["event_time"].tolist() == [
        datetime(2026, 7, 1, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    ]


def parquet(tmp_path, **changes):
    columns = {
        "transaction_id": ["t1", "t2"],
        "event_time": pa.array([1_769_860_800_000, 1_769_860_801_000], pa.timestamp("ms", "UTC")),
        "card_id": ["c1", "c2"],
        "merchant_id": ["m1", "m2"],
        "amount": [1.5, 2.5],
        "currency": ["EUR", "EUR"],
    }
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table(columns | changes), path)
    return path


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, 2], pa.int16()), ["1", "2"]),
        (pa.array([1.0, None]), ["1", None]),
        (pa.array([1.0, float("nan")]), ["1", None]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array([b"a", b""]), ["a", None]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_parquet_ids_of_any_plain_type(tmp_path, values, expected):
    table = read(parquet(tmp_path, customer_id=values)).table
    assert table["customer_id"].astype(object).where(table["customer_id"].notna(), None).tolist() == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", None])
def test_parquet_times_of_any_unit_and_zone(tmp_path, unit, zone):
    moment = pa.scalar(1_769_860_800, pa.timestamp("s")).cast(pa.timestamp(unit)).cast(pa.int64()).as_py()
    path = parquet(tmp_path, event_time=pa.array([moment, None], pa.timestamp(unit, zone)))
    mapping = with_columns(event_time="{column: event_time, zone: UTC}")
    assert read(path, mapping).table["event_time"].tolist() == [datetime(2026, 1, 31, 12, tzinfo=UTC)]
    assert read(path, mapping).reasons == {"missing_field": 1}


def test_naive_parquet_times_need_a_zone(tmp_path):
    path = parquet(tmp_path, event_time=pa.array([1, 2], pa.timestamp("s")))
    with pytest.raises(DataError, match=r"'event_time' have no time zone\. Say in the mapping"):
        read(path)


def test_numbers_of_any_type_and_parquet_nan_is_missing(tmp_path):
    decimals = pa.array(["1.10", "2.20"]).cast(pa.decimal128(10, 2))
    path = parquet(tmp_path, amount=decimals, latitude=[float("nan"), 1.0])
    assert read(path).table["amount"].tolist() == [1.1, 2.2]
    assert np.isnan(read(path).table["latitude"][0])
    assert [row["reason"] for row in rejected(parquet(tmp_path, amount=[float("nan"), 1.0]))] == ["missing_field"]
    assert [row["reason"] for row in rejected(parquet(tmp_path, amount=[float("inf"), 1.0]))] == ["out_of_range"]
    assert rejected(parquet(tmp_path, latitude=[float("inf"), 1.0]))[0]["value"] == "inf"


def test_cents_are_rounded_as_a_person_would(tmp_path):
    mapping = with_columns(amount="{column: amount, unit: cents}")
    cents = list(range(1, 2_000))
    path = csv(tmp_path, *({"amount": str(value)} for value in cents))
    assert read(path, mapping).table["amount"].tolist() == [
        float(f"{value // 100}.{value % 100:02}") for value in cents
    ]


def test_labels_from_a_time_column(tmp_path):
    later, earlier = "2026-02-10T00:00:00Z", "2026-01-01T00:00:00Z"
    rows = [
        {"is_fraud": "1", "label_time": later},
        {"is_fraud": "False", "label_time": later},
        {},
        {"is_fraud": "1"},
        {"is_fraud": "1", "label_time": earlier},
    ]
    path = csv(tmp_path, *rows, columns=COLUMNS)
    assert [(row["row"], row["column"], row["reason"]) for row in rejected(path)] == [
        (4, "label_time", "missing_field"),
        (5, "label_time", "label_before_event"),
    ]
    table = read(path).table
    assert table["is_fraud"].tolist() == [1, 0, pd.NA]
    assert table["label_time"].isna().tolist() == [False, False, True]


SELECTED = "label: {column: is_fraud, delay: 1 day, inclusion_probability: {column: chance, factor: 0.01}}\n"


def test_inclusion_probabilities_stand_beside_labels(tmp_path):
    mapping = parse_mapping("columns:\n" + "".join(f"  {name}: {name}\n" for name in GOOD) + SELECTED, "test")
    path = csv(
        tmp_path,
        {"is_fraud": "1", "chance": "2"},
        {"is_fraud": "0", "chance": "100"},
        {"chance": ""},  # not chosen: no label, and nothing to say
        {"chance": "0"},
        {"is_fraud": "0", "chance": ""},
        {"is_fraud": "0", "chance": "0"},
        {"is_fraud": "0", "chance": "100.1"},
        {"is_fraud": "0", "chance": "likely"},
        columns=(*GOOD, "is_fraud", "chance"),
    )
    assert [(row["row"], row["column"], row["reason"]) for row in rejected(path, mapping)] == [
        (5, "chance", "missing_field"),
        (6, "chance", "out_of_range"),
        (7, "chance", "out_of_range"),
        (8, "chance", "wrong_type"),
    ]
    table = read(path, mapping).table
    assert list(table.columns) == [*COLUMNS, INCLUSION]
    assert table[INCLUSION].dtype == np.float64
    np.testing.assert_allclose(table[INCLUSION], [0.02, 1.0, np.nan, 0.0])
    assert INCLUSION not in NAMES


def test_a_missing_column_of_inclusion_probabilities_is_refused(tmp_path):
    text = "columns:\n" + "".join(f"  {name}: {name}\n" for name in GOOD) + SELECTED
    path = csv(tmp_path, {"is_fraud": "1"}, columns=(*GOOD, "is_fraud"))
    with pytest.raises(DataError, match="no column 'chance'"):
        read(path, parse_mapping(text, "test"))
    optional = parse_mapping(text.replace("delay: 1 day", "delay: 1 day, optional: true"), "test")
    with pytest.raises(DataError, match="'chance' that says how likely each was to exist"):
        read(path, optional)


def test_labels_without_a_time_are_refused(tmp_path):
    with pytest.raises(DataError, match="no column 'label_time' that says when labels became known"):
        read(csv(tmp_path, {"is_fraud": "1"}, columns=(*GOOD, "is_fraud")))


def test_hostile_csv(tmp_path):
    path = csv(tmp_path, {}, {})
    good = path.read_bytes()
    path.write_bytes(
        b"\xef\xbb\xbf"
        + good
        + b"too,few\n\n"
        + b"t3,2026-01-31T12:00:00Z,c,m,1,EUR,extra\n"
        + b't4,2026-01-31T12:00:00Z,"c\n4",m,1,EUR\n'
        + b't5,2026-01-31T12:00:00Z,c,"' + b"y" * 2_000_000 + b'",1,EUR\n'
        + b"t6,2026-01-31T12:00:00Z,c,m\xff,1,EUR\n"
        + b't7,2026-01-31T12:00:00Z,c,"m""7",1,EUR\r\n'
        + b'"t8,2026-01-31T12:00:00Z,c,m,1,EUR\nt9,2026-01-31T12:00:00Z,c,m,1,EUR\n'
    )  # fmt: skip
    rows = rejected(path)
    assert [(row["row"], row["column"], row["reason"]) for row in rows] == [
        (3, "", "column_count"),
        (4, "", "column_count"),
        (5, "card_id", "bad_format"),
        (6, "merchant_id", "bad_format"),
        (7, "merchant_id", "not_utf8"),
        (9, "", "unclosed_quote"),
    ]
    assert read(path).table["transaction_id"].tolist() == ["t1", "t2", "t7"]
    assert read(path).table["merchant_id"].tolist()[2] == 'm"7'


def test_a_record_without_end_is_refused(tmp_path):
    path = csv(tmp_path, {})
    path.write_bytes(path.read_bytes() + b'"' + b"x\n" * 20_000_000)
    with pytest.raises(DataError, match=r"not readable as CSV: .+ look for an unclosed quote"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.parquet", b"", "is empty"),
        ("a.csv", b"\n\n", "not readable as CSV"),
        ("a.parquet", b"PAR1 and no more", "not readable as PARQUET"),
        ("a.xlsx", b"x", "neither CSV nor Parquet: its name ends in '.xlsx'. Name it .csv or .parquet"),
        ("a", b"x", "ends in 'nothing'"),
        ("a.csv", b"a,b\n1,2\n", "has no column 'transaction_id', 'event_time', 'card_id'"),
        ("a.csv", b"a;b\n1;2\n", "it has a;b. Name the columns in a mapping file (--mapping), and the delimiter"),
        ("a.csv", ",".join(GOOD).encode() + b"\n", "a.csv has no rows"),
        ("a.csv", ",".join([*GOOD, "amount"]).encode() + b"\n", "more than one column 'amount'"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert message in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.csv cannot be read: No such file"):
        read(tmp_path / "nothing.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder\.csv (cannot be read|is not readable)"):
        read(tmp_path / "folder.csv")


def test_nested_columns_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"'ip' has the type list.+ which cannot be mapped"):
        read(parquet(tmp_path, ip=[["10.0.0.1"], []]))


def test_no_row_left_is_an_error_with_an_example_and_still_writes_rejects(tmp_path):
    path = csv(tmp_path, {"amount": "-1"}, {"card_id": CARD_NUMBER})
    with pytest.raises(
        DataError, match=r"None of the 2 rows .+ first: row 1, amount, out_of_range; in all 1 card_number, 1"
    ):
        read(path, rejects=tmp_path / "rejects.jsonl")
    assert len((tmp_path / "rejects.jsonl").read_text().splitlines()) == 2


def test_nothing_rejected_writes_no_file(tmp_path):
    result = read(csv(tmp_path, {}), rejects=tmp_path / "rejects.jsonl")
    assert (result.rejected, result.reasons, result.rejects_path) == (0, {}, None)
    assert not (tmp_path / "rejects.jsonl").exists()


def test_rejects_that_cannot_be_written_are_named(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        read(csv(tmp_path, {}, {"amount": "-1"}), rejects=tmp_path / "data.csv" / "rejects.jsonl")


@pytest.mark.parametrize("make", [lambda path: csv(path, *[{}] * 50), parquet])
def test_progress_ends_at_the_total(tmp_path, make):
    heard = []
    read(make(tmp_path), progress=lambda done, total: heard.append((done, total)))
    assert heard
    assert heard[-1][0] == heard[-1][1] > 0
