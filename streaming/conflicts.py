"""What is said of a transaction id that stands for two different contents, whoever finds out."""

from features.errors import DuplicateConflict


def decided_before(transaction_id: str) -> DuplicateConflict:
    """The error for an id that was decided with different content."""
    return _conflict(f"Transaction {transaction_id} was decided before with different content.")


def comes_twice(transaction_id: str) -> DuplicateConflict:
    """The error for an id that a request holds twice, with different content."""
    return _conflict(f"Transaction {transaction_id} comes twice with different content.")


def _conflict(message: str) -> DuplicateConflict:
    return DuplicateConflict(
        message, remedy="The first decision stands; send the changed payment under an id of its own."
    )
