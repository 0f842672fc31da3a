"""What hypothesis draws from: long streams, and how many of them.

The quick core draws the same few examples every time. Tests marked slow draw other ones with every run; a failure
prints its example, and the seed to run it again with (``--hypothesis-seed``).
"""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.unit.features.event_streams import Segment

SEEDS = st.integers(0, 10**6)
_late = st.sampled_from((0.0, 0.05, 0.5))
_fast = st.builds(
    Segment, st.integers(1200, 2500), st.sampled_from(("none", "second", "seconds", "minute", "minutes")), _late
)
_any = st.builds(
    Segment,
    st.integers(1, 400),
    st.sampled_from(("none", "microseconds", "second", "seconds", "minute", "minutes", "hour", "hours")),
    _late,
)
_idle = st.builds(Segment, st.integers(1, 4), st.sampled_from(("days", "months")))
# Outgrows every memory at once, and may then go on, idle for months and burst again.
LONG = st.builds(lambda first, rest: [first, *rest], _fast, st.lists(_any | _idle | _fast, max_size=4))

_long = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # making a failure smaller would take minutes
)
few = settings(_long, max_examples=4, derandomize=True)
many = settings(_long, max_examples=40, print_blob=True)
