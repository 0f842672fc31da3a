"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

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
