"""Options that several commands share."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

STATE = Annotated[
    Path | None, typer.Option("--state", help="State directory; RINGFENCE_STATE or .ringfence when absent.")
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object last.")]
DATA = Annotated[Path, typer.Option("--data", help="CSV or Parquet file of transactions.")]
MAPPING = Annotated[
    str, typer.Option("--mapping", help="Mapping file, or the name of a shipped one: simulator, fdh.", metavar="MAP")
]
SEED = Annotated[int, typer.Option("--seed", min=0, help="Same data and seed, same result.")]


def utc(time: datetime | None) -> pd.Timestamp | None:
    """Read a time that an option named without a zone as UTC."""
    return pd.Timestamp(time, tz="UTC") if time else None
