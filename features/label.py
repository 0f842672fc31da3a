"""The label: what became known of a transaction, by whom and when."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

# Printable characters only, so that an id is safe in a log line, a URL and a terminal.
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"\A[!-~]+\Z")]
LabelSource = Literal["chargeback", "analyst", "customer"]


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A verdict on one transaction. ``label_time`` is when it became known (UTC); the last label wins."""

    transaction_id: Identifier
    is_fraud: bool
    source: LabelSource
    label_time: Annotated[datetime, msgspec.Meta(tz=True)]
