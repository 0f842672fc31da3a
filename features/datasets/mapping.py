"""The mapping file: which column of a data set is which field of a transaction, and how to read it.

    description: free text
    delimiter: ";"                                # CSV only; a comma if absent
    columns:
      transaction_id: TX_ID                       # short for {column: TX_ID}
      event_time: {column: TS, format: unix_ms}   # iso (the default), unix_s, unix_ms, unix_us or a strptime pattern
      card_id: {column: CUST, prefix: c}
      merchant_id: {column: SHOP}
      amount: {column: CENTS, unit: cents}        # major (the default) or cents; or factor: 0.001
      currency: {constant: EUR}
      channel: {column: CH, values: {web: ecommerce, unknown: ""}, optional: true}
    label:
      column: FRAUD
      fraud: [1, "yes"]                           # by default 1, true; everything else must be in `honest`
      honest: [0, "no"]                           # by default 0, false
      delay: 7 days                               # when a label becomes known after its event, or
      time: {column: KNOWN_AT, zone: UTC}
      inclusion_probability: P_LABELLED           # if labels are a selection: how likely each was to exist

Times without an offset need a ``zone`` (UTC, Europe/Paris, ...). ``optional`` columns may be absent from a file. A
value mapped to nothing is missing. All scalars are read as they are written: NO is Norway, 0742 keeps its zero.
"""

from pathlib import Path

from features.datasets.mapping_parser import parse_mapping
from features.datasets.mapping_schema import Mapping
from features.errors import ConfigurationError

SHIPPED = Path(__file__).parent / "mappings"


def load_mapping(name_or_path: str) -> Mapping:
    """Return a shipped mapping by name, or the mapping in a YAML file.

    Raises `ConfigurationError` for a file that is missing, is not YAML or has a key or value that cannot work.
    """
    shipped = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
    path = SHIPPED / f"{name_or_path}.yaml" if name_or_path in shipped else Path(name_or_path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as exc:
        raise ConfigurationError(
            f"The mapping {name_or_path!r} cannot be read: {getattr(exc, 'strerror', None) or 'not a text file'}.",
            remedy=f"Give the path of a YAML file or one of the shipped mappings: {', '.join(shipped)}.",
        ) from exc
    return parse_mapping(text, name_or_path)
