"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

STATE = Annotated[
    Path | None, typer.Option("--state", help="State directory; RINGFENCE_STATE or .ringfence when absent.")
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object last.")]
