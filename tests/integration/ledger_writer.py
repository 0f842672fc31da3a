"""A process that writes to a ledger until it is killed or done.

Usage: `python -m tests.integration.ledger_writer URL BATCHES FIRST_NUMBER`.

Each batch holds `SIZE` decisions, a label on its first one and that label's place in the order. A batch's last seq is
written out once commit() has returned.
"""

import sys

from streaming.ledger import LedgerBatch
from streaming.ledgers.sql import open_ledger
from tests.integration.ledger_samples import decided, folded, label, last_seq

SIZE = 8


def main(url: str, batches: int, first: int) -> None:
    ledger = open_ledger(url)
    for start in range(first, first + batches * SIZE, SIZE):
        seq = last_seq(ledger)
        decisions = [decided(start + place, seq + 1 + place) for place in range(SIZE)]
        seq += SIZE + 1
        batch = LedgerBatch(decisions=decisions, labels=[label(start)], folded_labels=[folded(start, seq)])
        ledger.commit(batch)
        sys.stdout.write(f"{seq}\n")
        sys.stdout.flush()
    ledger.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
