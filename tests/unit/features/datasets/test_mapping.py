from datetime import timedelta

import pytest

from features.datasets.mapping import load_mapping
from features.datasets.mapping_parser import parse_mapping
from features.errors import ConfigurationError
from features.table import COLUMNS, LABELS

MINIMAL = """
columns:
  transaction_id: ID
  event_time: {column: T, zone: UTC}
  card_id: CARD
  merchant_id: SHOP
  amount: SUM
  currency: {constant: EUR}
"""


def test_shipped_mappings_load_by_name():
    simulator, fdh = load_mapping("simulator"), load_mapping("fdh")
    assert [*simulator.fields, *LABELS] == sorted([*simulator.fields, *LABELS], key=COLUMNS.index)
    assert all(field.column == name for name, field in simulator.fields.items())
    assert fdh.fields["card_id"].prefix == "c"
    assert fdh.fields["amount"].divisor == 100
    assert fdh.label.delay == timedelta(days=7)


def test_a_file_is_loaded_by_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL)
    mapping = load_mapping(str(path))
    assert mapping.name == str(path)
    assert mapping.fields["transaction_id"].column == "ID"
    assert mapping.label is None
    assert mapping.delimiter == ","


@pytest.mark.parametrize("name", ["fhd", "no/such/file.yaml", ".", "a\0b"])
def test_a_missing_file_names_the_shipped_mappings(name):
    with pytest.raises(ConfigurationError, match=r"cannot be read: .+ shipped mappings: fdh, simulator"):
        load_mapping(name)


def test_scalars_are_read_as_written():
    mapping = parse_mapping(MINIMAL + "  country: {constant: NO}\n  mcc: {constant: 0742}\n", "m")
    assert mapping.fields["country"].constant == "NO"
    assert mapping.fields["mcc"].constant == "0742"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns: [", "is not YAML"),
        ("", "must be a mapping with keys among description, delimiter"),
        ("- a", "must be a mapping"),
        ("colums: {}", "unknown key 'colums'; did you mean 'columns'"),
        ("columns: {amount: A}", "says nothing of transaction_id, event_time, card_id, merchant_id, currency"),
        (MINIMAL + "  custmer_id: C", "unknown key 'custmer_id'; did you mean 'customer_id'"),
        (MINIMAL + "  ip: {colum: C}", "columns.ip has an unknown key 'colum'; did you mean 'column'"),
        (MINIMAL + "  ip: {column: C, unit: cents}", "columns.ip has an unknown key 'unit'"),
        (MINIMAL + "  ip: {column: C, constant: D}", "needs either a column or a constant"),
        (MINIMAL + "  ip: {prefix: D}", "needs either a column or a constant"),
        (MINIMAL + "  ip: ''", "column is empty"),
        (MINIMAL + "  ip: [C]", "must be a mapping"),
        (MINIMAL + "  ip: {column: [C]}", "must be a single value"),
        (MINIMAL + "  ip: {column: C, values: [a]}", "values must map"),
        (MINIMAL + "  ip: {column: C, optional: yep}", "optional: 'yep' is unknown"),
        (MINIMAL + "  card_id: OTHER", "a key is given twice"),
        (MINIMAL.replace("SUM", "{column: S, unit: cent}"), "unit: 'cent' is unknown; did you mean 'cents'"),
        (MINIMAL.replace("SUM", "{column: S, factor: 0}"), "a factor above 0"),
        (MINIMAL.replace("SUM", "{column: S, factor: nan}"), "a factor above 0"),
        (MINIMAL.replace("SUM", "{column: S, factor: 2, unit: cents}"), "either a unit or a factor"),
        (MINIMAL.replace("zone: UTC", "zone: Mars"), "'Mars' is not a time zone"),
        (MINIMAL.replace("zone: UTC", "zone: ../UTC"), "is not a time zone"),
        (MINIMAL.replace("zone: UTC", "format: unixtime"), "neither iso, unix_s"),
        (MINIMAL.replace("zone: UTC", "format: '%Y-%m-%d'"), "without %z and no zone"),
        (MINIMAL.replace("column: T", "constant: T"), "unknown key 'constant'"),
        (MINIMAL.replace("column: T, ", ""), "needs a column"),
        (MINIMAL + "delimiter: '||'", "is not one character"),
        (MINIMAL + "label: {column: F}", "either a time column or a delay"),
        (MINIMAL + "label: {column: F, delay: 1 day, time: T}", "either a time column or a delay"),
        (MINIMAL + "label: {delay: 1 day}", "needs a column"),
        (MINIMAL + "label: {column: F, delay: 1 day, inclusion_probability: {constant: 0.5}}", "needs a column"),
        (MINIMAL + "label: {column: F, delay: 1 day, inclusion_probability: {column: P, zone: UTC}}", "unknown key"),
        (MINIMAL + "label: {column: F, delay: a week}", "'a week' is not a delay"),
        (MINIMAL + "label: {column: F, delay: 1e9 days}", "is not a delay"),
        (MINIMAL + "label: {column: F, delay: 99999999999999999999 days}", "is not a delay"),
        (MINIMAL + "label: {column: F, delay: 1 day, fraud: [y], honest: [Y]}", "must be different"),
        (MINIMAL + "label: {column: F, delay: 1 day, fraud: {a: b}}", "a value or a list of values"),
    ],
)
def test_what_cannot_work_is_refused_by_name(text, message):
    with pytest.raises(ConfigurationError) as caught:
        parse_mapping(text, "mine.yaml")
    assert message in str(caught.value)
    assert "mine.yaml" in caught.value.message
