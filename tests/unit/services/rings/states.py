"""State directories with a snapshot of rings, made from small histories."""

from services.rings.finding import find_and_save
from services.state_directory import open_state
from tests.unit.models.rings.payments import AT, history, household, ring_payments

HOSTILE = "</svg><script>alert('x')</script>&\"'"


def silent(done, total):
    """Report progress to nobody."""


def with_rings(path, table=None, at=AT):
    """A state directory and its snapshot; one ring of the cards a, b and c on the device dev, and a household."""
    state = open_state(path)
    return state, find_and_save(
        state, history(*ring_payments(), *household()) if table is None else table, at, progress=silent
    )
