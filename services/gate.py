"""Runs the gate: what it needs to know of a candidate, measured on a data set."""

from dataclasses import dataclass
from time import process_time

import numpy as np
import pandas as pd

from features.errors import BundleError, ConfigurationError, DataError
from features.leakage import leakage_test
from features.progress import Progress, Step
from models.bundle import Bundle, load_bundle
from models.gate import Evidence, judge
from models.gate_measured import bundle_check, latency_check, leakage_check
from models.gate_report import Check, GateReport
from models.scorer import Matrix
from models.segments import first_seen, segments
from models.splits import Rows, label_delay
from services.bundle_features import BundleFeatures
from services.champion import bundle_directory, bundle_of
from services.registry import read_registry
from services.state_directory import StateDirectory

MICRO_BATCH = 64
CALLS = 60  # of which the median is taken


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of a table that models can be judged on, and how many were left out, by reason."""

    rows: Rows
    left_out: dict[str, int]


def select(table: pd.DataFrame, bundles: list[Bundle], since: pd.Timestamp | None) -> Selection:
    """Choose the labelled rows from ``since`` on that none of ``bundles`` was trained on.

    Rows so late that many labels of their time are still to come are left out, labelled or not: frauds and genuine
    payments become known at different speeds. Raises `DataError` when too little is left to judge on.
    """
    labelled = table["is_fraud"].notna() & table["label_time"].notna()
    if not labelled.any():
        raise DataError("No row has a label.", remedy="Map the label column and the label delay.")
    events = table["event_time"]
    trained_until = max(pd.Timestamp(bundle.manifest.data.end) for bundle in bundles)
    known = table[labelled]
    mature_until = known["label_time"].max() - label_delay(known)
    masks = {
        "trained on": events < trained_until,
        "before --since": events < (since or events.iloc[0]),
        "labels not in yet": events > mature_until,
        "unlabelled": ~labelled,
    }
    rest = np.ones(len(table), bool)
    left_out = {}
    for reason, mask in masks.items():
        left_out[reason] = int((rest & mask.to_numpy()).sum())
        rest &= ~mask.to_numpy()
    rows = np.flatnonzero(rest)
    frauds = int((table["is_fraud"].iloc[rows] == 1).sum())
    if frauds in {0, len(rows)}:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
        raise DataError(
            f"{len(rows):,} of {len(table):,} rows can be judged on, {frauds:,} of them fraud (left out: "
            f"{reasons or 'none'}).",
            remedy=f"Give labelled transactions from {trained_until:%Y-%m-%d %H:%M} UTC on, with frauds among them.",
        )
    return Selection(rows, left_out)


def run_gate(
    state: StateDirectory,
    version: str,
    table: pd.DataFrame,
    *,
    data: str,
    step: Step,
    features: Matrix | None = None,
    since: pd.Timestamp | None = None,
    margin: float | None = None,
    budget_ms: float,
) -> GateReport:
    """Hold ``version`` against the champion on ``table``, which begins early enough for features to have a history.

    ``features`` (n, f) are the catalogue's where they have been computed before; they are computed otherwise. A
    champion that was trained on other features than this version's is nothing to compare with: then the checks are
    absolute, as for a first model. A damaged one fails a check of its own.
    """
    champion_version = read_registry(state).champion
    if champion_version == version:
        raise ConfigurationError(f"{version} is the champion already.", remedy="`ringfence model list` shows the rest.")
    try:
        candidate = bundle_of(state, version)
        candidate.smoke_test()
    except BundleError as error:
        return GateReport(candidate=version, champion=champion_version, data=data, checks=(bundle_check(str(error)),))
    champion, unreadable = _champion(state, champion_version)
    chosen = select(table, [one for one in (candidate, champion) if one], since)
    of_table = BundleFeatures(state, table, step, catalogue=features)
    whole = of_table.of(candidate)
    by_champion = champion.score(of_table.of(champion)[chosen.rows]) if champion else None
    seen, rows = table.iloc[chosen.rows], chosen.rows
    truth = seen["is_fraud"].to_numpy(dtype=bool)
    tell = step("asking the gate")
    tell(0, 3)
    moment = seen["event_time"].iloc[len(rows) // 2]
    leak = leakage_test(
        table,
        whole,
        moment,
        fold=lambda changed: BundleFeatures(state, changed, _untold).of(candidate),
        names=candidate.feature_names,
    )
    past = rows[: int((seen["event_time"] <= moment).sum())]
    scores = candidate.score(whole[rows])
    differing = leak.differing + int((candidate.score(leak.features[past]) != scores[: len(past)]).sum())
    tell(1, 3)
    evidence = Evidence(
        truth=truth,
        cards=pd.factorize(seen["card_id"].astype(str))[0],
        candidate=scores,
        champion=by_champion,
        segments=segments(seen, first_seen(table).iloc[rows]),
    )
    checks = (*judge(evidence, margin=margin), leakage_check(len(leak.features), differing, leak.names, leak.moved))
    tell(2, 3)
    checks += tuple(
        latency_check(size, typical_ms(candidate, whole[rows], size), budget_ms) for size in (1, MICRO_BATCH)
    )
    tell(3, 3)
    return GateReport(
        candidate=version,
        champion=champion_version,
        data=data,
        start=seen["event_time"].iloc[0].to_pydatetime(),
        end=seen["event_time"].iloc[-1].to_pydatetime(),
        rows=len(rows),
        frauds=int(truth.sum()),
        left_out=chosen.left_out,
        checks=(*unreadable, *checks, bundle_check(None)),
    )


def typical_ms(bundle: Bundle, features: Matrix, rows: int) -> float:
    """Return the median CPU time, in milliseconds, to score ``rows`` rows together.

    That is the model's own cost; what else the machine does, and its hiccups, are not its fault.
    """
    batch = np.resize(features, (rows, features.shape[1]))
    times = []
    for _ in range(CALLS):
        start = process_time()
        bundle.score(batch)
        times.append(process_time() - start)
    return float(np.median(times)) * 1000


def _untold(_what: str) -> Progress:
    return lambda _done, _total: None


def _champion(state: StateDirectory, version: str | None) -> tuple[Bundle | None, tuple[Check, ...]]:
    """Return the champion, if it can score these features, and a failed check if it is damaged."""
    if version is None:
        return None, ()
    try:
        return bundle_of(state, version), ()
    except BundleError as error:
        try:
            load_bundle(bundle_directory(state, version), expect_features=None)
        except BundleError:
            sentence = f"There is nothing to compare with: {error}"
            return None, (Check(name="champion", passed=False, value=1, bound=0, sentence=sentence),)
        return None, ()
