"""The gate's checks of what was measured elsewhere.

latency            a payment alone and a micro-batch inside the model's share of the 100 ms
leakage            another future changes no feature and no score of the past
bundle             hashes right, smoke test passed (checked before anything is scored)
"""

from models.gate_report import Check


def latency_check(rows: int, milliseconds: float, budget_ms: float) -> Check:
    """Hold the typical time to score ``rows`` together against the model's share of the 100 ms."""
    together = "one payment" if rows == 1 else f"{rows} payments together"
    return Check(
        name=f"latency_{rows}",
        passed=milliseconds <= budget_ms,
        value=milliseconds,
        bound=budget_ms,
        sentence=f"Scoring {together} takes {milliseconds:.2f} ms of CPU time (median); {budget_ms:g} ms are allowed.",
    )


def leakage_check(compared: int, differing: int, names: tuple[str, ...], moved: int) -> Check:
    """Judge a leakage test.

    ``differing`` features and scores of ``compared`` rows of the past changed with the future, in the features
    ``names``. ``moved`` rows of the future changed themselves: a test that moves nothing shows nothing.
    """
    if not moved:
        sentence = "The changed future changed no feature of the future either: the test shows nothing."
    elif differing:
        sentence = f"{differing:,} values at or before the cut changed with the future, among them {', '.join(names)}."
    else:
        sentence = f"Another future left all features and scores of {compared:,} earlier rows as they were, bit by bit."
    return Check(name="leakage", passed=not differing and moved > 0, value=differing, bound=0, sentence=sentence)


def bundle_check(problem: str | None) -> Check:
    """State whether the bundle loaded with its hashes right and passed its smoke test; ``problem`` says why not."""
    return Check(
        name="bundle",
        passed=problem is None,
        value=0 if problem is None else 1,
        bound=0,
        sentence=problem or "Every file has its hash, and the probes score as when the bundle was written.",
    )
