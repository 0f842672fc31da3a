"""Reads what the labels known by now say of an entity."""

from features.catalogue import column
from features.catalogue_labels import PRIOR_RATE, PRIOR_WEIGHT, STREAKS
from features.kernel_jit import jit
from features.kernel_tiles import TILED_LABEL_WINDOWS, Words, newest_in_tiles, read_tiled_window, read_tiles
from features.kernel_windows import Reals
from features.state_layout import (
    H_FRAUDS,
    H_LABELLED,
    H_NEWEST_LABEL,
    H_OUTCOME_START,
    H_OUTCOMES,
    HOUR_US,
    LABEL_WINDOW_US,
    O_LABEL_TIME,
    O_TIME,
    O_WHICH,
    OUTCOME_WORDS,
    T_HEADER,
    T_OUTCOME_TILES,
    T_OUTCOMES,
)
from features.store import ENTITIES

# Columns by entity code; the windows' columns follow one another.
_LABELLED = tuple(column(f"{entity}_labelled_24h") for entity in ENTITIES)
_RATES = tuple(column(f"{entity}_fraud_rate_24h") for entity in ENTITIES)
_LABELLED_ALL = tuple(column(f"{entity}_labelled_all") for entity in ENTITIES)
_RATE_ALL = tuple(column(f"{entity}_fraud_rate_all") for entity in ENTITIES)
_SHARES = tuple(column(f"{entity}_fraud_share_last_{STREAKS[0]}") for entity in ENTITIES)
_RUN_LENGTH = tuple(column(f"{entity}_fraud_run_length") for entity in ENTITIES)
_RUN_AGE = tuple(column(f"{entity}_fraud_run_age_hours") for entity in ENTITIES)
_SINCE_FRAUD = tuple(column(f"{entity}_hours_since_fraud") for entity in ENTITIES)


@jit
def smoothed(frauds: float, labelled: float) -> float:
    """Share of fraud with `PRIOR_WEIGHT` labels at `PRIOR_RATE` added."""
    return (frauds + PRIOR_WEIGHT * PRIOR_RATE) / (labelled + PRIOR_WEIGHT)


@jit
def read_rates(words: Words, table: Words, slot: int, entity: int, time: int, row: Reals) -> None:
    """Fill label counts and smoothed fraud rates of one entity."""
    header = table[slot, T_HEADER]
    begin = table[slot, T_OUTCOMES] + words[header + H_OUTCOME_START] * OUTCOME_WORDS
    end = begin + words[header + H_OUTCOMES] * OUTCOME_WORDS
    tiles = table[slot, T_OUTCOME_TILES]
    labelled_all, frauds_all = words[header + H_LABELLED], words[header + H_FRAUDS]
    labelled, frauds = row[_LABELLED[entity] :], row[_RATES[entity] :]
    for window in range(len(LABEL_WINDOW_US)):
        labelled[window] = frauds[window] = 0.0
    for at in range(begin, end, OUTCOME_WORDS):
        age, fraud = time - words[at + O_LABEL_TIME], words[at + O_WHICH] & 1
        if age < 0:  # not known yet
            labelled_all -= 1
            frauds_all -= fraud
            continue
        for window in range(len(LABEL_WINDOW_US)):
            if age < LABEL_WINDOW_US[window]:
                labelled[window] += 1.0
                frauds[window] += fraud
    late = time < words[header + H_NEWEST_LABEL]
    newest = newest_in_tiles(words, tiles, TILED_LABEL_WINDOWS) if tiles >= 0 and late else 0
    if newest > time:
        unknown, unknown_frauds, _, _ = read_tiles(words, tiles, TILED_LABEL_WINDOWS, 0, time, newest)
        labelled_all -= unknown
        frauds_all -= int(unknown_frauds)
    for window in range(len(LABEL_WINDOW_US)):
        if tiles >= 0:
            edge = time - LABEL_WINDOW_US[window]
            more, more_frauds, _, _ = read_tiled_window(words, tiles, TILED_LABEL_WINDOWS, window, edge, time, newest)
            labelled[window] += more
            frauds[window] += more_frauds
        frauds[window] = smoothed(frauds[window], labelled[window])
    row[_LABELLED_ALL[entity]] = labelled_all
    row[_RATE_ALL[entity]] = smoothed(frauds_all, labelled_all)


@jit
def read_streaks(words: Words, table: Words, slot: int, entity: int, time: int, row: Reals) -> None:
    """Fill what the last transactions with a known outcome were, newest first. ``row`` holds NaN already."""
    header = table[slot, T_HEADER]
    begin = table[slot, T_OUTCOMES] + words[header + H_OUTCOME_START] * OUTCOME_WORDS
    at = begin + words[header + H_OUTCOMES] * OUTCOME_WORDS
    outcomes = frauds = run = run_since = 0
    unbroken, unseen = True, True
    while at > begin and (unbroken or unseen or outcomes < STREAKS[-1]):
        at -= OUTCOME_WORDS
        if words[at + O_LABEL_TIME] > time:
            continue
        outcomes += 1
        if words[at + O_WHICH] & 1:
            frauds += 1
            if unseen:
                row[_SINCE_FRAUD[entity]] = (time - words[at + O_TIME]) / HOUR_US
                unseen = False
            if unbroken:
                run += 1
                run_since = words[at + O_TIME]
        else:
            unbroken = False
        for streak in range(len(STREAKS)):
            if outcomes <= STREAKS[streak]:
                row[_SHARES[entity] + streak] = frauds / outcomes
    row[_RUN_LENGTH[entity]] = run
    if run:
        row[_RUN_AGE[entity]] = (time - run_since) / HOUR_US
