"""The features in plain Python, slowly and from the definitions: what the compiled fold has to agree with."""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import fmean, median, pstdev

import numpy as np

from features.events import LabelEvent, TransactionEvent
from features.transaction import Transaction

NAN = math.nan
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPANS = {"1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
LIMITS = {"card": (256, 128), "merchant": (512, 256), "device": (256, 128), "ip": (256, 128), "customer": (256, 128)}
CHANNELS = ("pos", "ecommerce", "atm", "moto", "transfer")
ENTRY_MODES = ("chip", "contactless", "magstripe", "manual", "stored", "wallet")
EPOCH, LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)
TILES = 24
TILES_KEPT = {"1h": 25, "24h": 55, "7d": 29, "30d": 26}


@dataclass
class Outgrown:
    """What fell out of a full memory, by time; of it, windows know only to which tile it belongs."""

    finest: str  # the shortest window that has tiles
    times: list[datetime] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, time: datetime, value: float) -> None:
        at = bisect_right(self.times, time)
        self.times.insert(at, time)
        self.values.insert(at, value)

    def within(self, time: datetime, window: str) -> list[float]:
        """What counts for the window that ends at ``time``: whole tiles."""
        if not self.times:
            return []
        edge = time - SPANS[window]
        width = self.width(edge, window)
        begin, end = bisect_right(self.times, edge), self.until(time, self.width(tile(time, width), self.finest))
        if begin < end and tile(self.times[begin], width) == tile(edge, width):
            begin = bisect_left(self.times, tile(edge, width))  # the tile at the old edge counts whole
        return self.values[begin:end]

    def until(self, time: datetime, width: timedelta) -> int:
        """How many to take into account at ``time``: the tile that holds it only if it holds nothing younger."""
        end = bisect_right(self.times, time)
        younger = end < len(self.times) and tile(self.times[end], width) == tile(time, width)
        return bisect_left(self.times, tile(time, width)) if younger else end

    def width(self, since: datetime, window: str) -> timedelta:
        """How wide the tiles of the window are, or of the next one that are kept for so long."""
        widths = [(SPANS[one] / TILES, kept) for one, kept in TILES_KEPT.items() if SPANS[one] >= SPANS[window]]
        return next(
            (width for width, kept in widths if tile(self.times[-1], width) - tile(since, width) < kept * width),
            widths[-1][0],
        )


def tile(time: datetime, width: timedelta) -> datetime:
    """The beginning of the tile that holds ``time``; tiles are counted from 1970."""
    return time - (time - EPOCH) % width


@dataclass(order=True)
class Seen:
    time: datetime
    arrival: int
    transaction: Transaction = field(compare=False)


@dataclass(order=True)
class Outcome:
    time: datetime
    arrival: int
    label_time: datetime = field(compare=False)
    transaction_id: str = field(compare=False)
    is_fraud: bool = field(compare=False)


@dataclass
class EntityHistory:
    """Everything an entity ever did, and the part of it that its state is to remember."""

    entity: str
    everything: list[Seen] = field(default_factory=list)
    remembered: list[Seen] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    outcomes_remembered: list[Outcome] = field(default_factory=list)
    outgrown: Outgrown = field(default_factory=lambda: Outgrown("1h"))  # amounts of transactions
    outcomes_outgrown: Outgrown = field(default_factory=lambda: Outgrown("24h"))  # whether fraud, by label time
    marker: int = 0
    newest_label: datetime = LONG_AGO

    def apply(self, transaction: Transaction, arrival: int) -> None:
        seen = Seen(transaction.event_time, arrival, transaction)
        insort(self.everything, seen)
        if len(self.remembered) == LIMITS[self.entity][0]:
            if seen.time < self.remembered[0].time:
                self.outgrown.add(seen.time, transaction.amount)
                return
            oldest = self.remembered.pop(0)
            self.outgrown.add(oldest.time, oldest.transaction.amount)
        insort(self.remembered, seen)
        while len(self.remembered) > 32 and self.remembered[0].time <= self.everything[-1].time - 31 * DAY:
            self.remembered.pop(0)

    def amounts(self, time: datetime, window: str) -> list[float]:
        """The amounts that the window ending at ``time`` counts: all of it, or what is remembered and tiles."""
        if not self.outgrown.times:
            return [one.amount for one in within(until(self.everything, time), time, window)]
        recent = within(until(self.remembered, time), time, window)
        return [one.amount for one in recent] + self.outgrown.within(time, window)

    def labels(self, time: datetime, window: str) -> list[bool]:
        """Whether they were fraud, of the labels that the window ending at ``time`` counts."""
        outcomes = self.outcomes_remembered if self.outcomes_outgrown.times else self.outcomes
        recent = [one.is_fraud for one in outcomes if time - SPANS[window] < one.label_time <= time]
        return recent + self.outcomes_outgrown.within(time, window)

    def apply_label(self, label: LabelEvent, arrival: int) -> None:
        label_time = max(label.label_time, label.event_time)
        for old in self.outcomes_remembered:
            if old.transaction_id == label.transaction_id:
                if old.label_time > label_time:
                    return
                self.outcomes_remembered.remove(old)
                self.outcomes.remove(old)
                break
        outcome = Outcome(label.event_time, arrival, label_time, label.transaction_id, label.is_fraud)
        self.newest_label = max(self.newest_label, label_time)
        insort(self.outcomes, outcome)
        if len(self.outcomes_remembered) == LIMITS[self.entity][1]:
            if outcome.time < self.outcomes_remembered[0].time:
                self.outcomes_outgrown.add(label_time, label.is_fraud)
                return
            oldest = self.outcomes_remembered.pop(0)
            self.outcomes_outgrown.add(oldest.label_time, oldest.is_fraud)
        insort(self.outcomes_remembered, outcome)
        while (
            len(self.outcomes_remembered) > 32
            and self.outcomes_remembered[0].label_time <= self.newest_label - 31 * DAY
        ):
            self.outcomes_remembered.pop(0)


class Oracle:
    """Folds the same events; `fold` returns the features of every transaction, or of each so many-th."""

    def __init__(self) -> None:
        self.histories: dict[tuple[str, str], EntityHistory] = {}
        self.arrivals = 0

    def of(self, event: TransactionEvent | LabelEvent) -> list[EntityHistory]:
        holder = event.transaction if isinstance(event, TransactionEvent) else event
        keys = {
            "card": holder.card_id,
            "merchant": holder.merchant_id,
            "device": holder.device_id,
            "ip": holder.ip,
            "customer": holder.customer_id,
        }
        return [
            self.histories.setdefault((entity, key), EntityHistory(entity))
            for entity, key in keys.items()
            if key is not None
        ]

    def fold(self, events: Iterable[TransactionEvent | LabelEvent], every: int = 1) -> list[dict[str, float]]:
        rows, transactions = [], 0
        for event in events:
            self.arrivals += 1
            histories = self.of(event)
            if isinstance(event, TransactionEvent):
                if transactions % every == 0:
                    rows.append(features_of(event.transaction, {history.entity: history for history in histories}))
                transactions += 1
            for history in histories:
                if event.seq > history.marker:
                    if isinstance(event, TransactionEvent):
                        history.apply(event.transaction, self.arrivals)
                    else:
                        history.apply_label(event, self.arrivals)
                    history.marker = event.seq
        return rows


def features_of(transaction: Transaction, histories: dict[str, EntityHistory]) -> dict[str, float]:
    row = request_features(transaction)
    for entity, history in histories.items():
        remembered = until(history.remembered, transaction.event_time)
        row |= window_features(entity, transaction, history, remembered)
        row |= label_features(entity, transaction.event_time, history)
        if entity == "card":
            row |= history_features(transaction, remembered, row)
            row |= travel(transaction, history.everything)
        if entity == "merchant":
            row |= merchant_comparison(transaction, history)
    return row


def ratio(value: float, base: float) -> float:
    return value / base if base else NAN


def just_under(amount: float) -> bool:
    return any(limit * 0.95 <= amount < limit for limit in (50, 100, 250, 500, 1000, 5000, 10000))


def request_features(transaction: Transaction) -> dict[str, float]:
    amount, time = transaction.amount, transaction.event_time.astimezone(UTC)
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    of_day = 2 * math.pi * ((time - midnight) / DAY)
    of_week = 2 * math.pi * ((time.weekday() * DAY + (time - midnight)) / (7 * DAY))
    return {
        "amount": amount,
        "amount_log": math.log(1 + amount),
        "hour_sin": math.sin(of_day),
        "hour_cos": math.cos(of_day),
        "weekday_sin": math.sin(of_week),
        "weekday_cos": math.cos(of_week),
        "is_night": time.hour <= 6,
        "is_weekend": time.weekday() >= 5,
        "mcc": NAN if transaction.mcc is None else int(transaction.mcc),
        "channel": NAN if transaction.channel is None else CHANNELS.index(transaction.channel),
        "entry_mode": NAN if transaction.entry_mode is None else ENTRY_MODES.index(transaction.entry_mode),
        "amount_roundness": sum(amount % step == 0 for step in (1, 10, 100)),
        "amount_just_under": just_under(amount),
        "amount_small": amount <= 5,
    }


def until(seen: list[Seen], time: datetime) -> list[Seen]:
    return seen[: bisect_right(seen, time, key=lambda one: one.time)]


def within(seen: list[Seen], time: datetime, window: str) -> list[Transaction]:
    begin = bisect_right(seen, time - SPANS[window], key=lambda one: one.time)
    return [one.transaction for one in seen[begin:]]


def distinct(transactions: list[Transaction], what: str) -> int:
    return len({getattr(one, what) for one in transactions} - {None})


def window_features(
    entity: str, transaction: Transaction, history: EntityHistory, remembered: list[Seen]
) -> dict[str, float]:
    time, first = transaction.event_time, history.everything[:1]
    row: dict[str, float] = {}
    for window in SPANS if entity in ("card", "merchant") else ("1h", "24h", "7d"):
        amounts = history.amounts(time, window)
        row[f"{entity}_count_{window}"] = len(amounts)
        if entity in ("card", "merchant"):
            row[f"{entity}_sum_{window}"] = math.fsum(amounts)
            row[f"{entity}_mean_{window}"] = fmean(amounts) if amounts else NAN
            row[f"{entity}_std_{window}"] = np.std(amounts) if amounts else NAN
            row[f"{entity}_max_{window}"] = max(amounts, default=NAN)
    row[f"{entity}_hours_since_last"] = (time - remembered[-1].time) / HOUR if remembered else NAN
    row[f"{entity}_age_days"] = (time - first[0].time) / DAY if first and first[0].time <= time else NAN
    for window in ("1h", "24h") if entity == "card" else ("1h",):
        row[f"{entity}_small_count_{window}"] = sum(one.amount <= 5 for one in within(remembered, time, window))
    for window in ("24h", "7d"):
        recent = within(remembered, time, window)
        if entity == "card":
            row[f"card_distinct_merchants_{window}"] = distinct(recent, "merchant_id")
            row[f"card_distinct_countries_{window}"] = distinct(recent, "country")
            row[f"card_distinct_devices_{window}"] = distinct(recent, "device_id")
        else:
            row[f"{entity}_distinct_cards_{window}"] = distinct(recent, "card_id")
    return row


def history_features(transaction: Transaction, remembered: list[Seen], windows: dict[str, float]) -> dict[str, float]:
    time, amount, count = transaction.event_time, transaction.amount, len(remembered)
    past = [one.transaction for one in remembered]
    row: dict[str, float] = {
        "card_burst_count_10m": sum(time - one.time < timedelta(minutes=10) for one in remembered),
        "card_history_count": count,
        "card_merchant_count": sum(one.merchant_id == transaction.merchant_id for one in past),
        "card_same_amount_count_7d": sum(one.amount == amount for one in within(remembered, time, "7d")),
        "card_just_under_count_24h": sum(just_under(one.amount) for one in within(remembered, time, "24h")),
        "card_velocity_1h": 1.0,
        "card_velocity_24h": 1.0,
    }
    if not past:
        return row
    amounts = [one.amount for one in past]
    mean, middle = fmean(amounts), median(amounts)
    row["amount_to_card_mean"] = ratio(amount, mean)
    row["amount_to_card_median"] = ratio(amount, middle)
    row["amount_to_card_max"] = ratio(amount, max(amounts))
    row["amount_to_card_last"] = ratio(amount, amounts[-1])
    row["card_amount_rank"] = sum(0.5 * (one <= amount) + 0.5 * (one < amount) for one in amounts) / count
    if count > 1:
        row["card_amount_zscore"] = ratio(amount - mean, max(pstdev(amounts), 0.05 * mean))
        spread = 1.4826 * median(abs(one - middle) for one in amounts)
        row["card_amount_robust_zscore"] = ratio(amount - middle, max(spread, 0.05 * middle))
    for name, what in (
        ("merchant", "merchant_id"), ("country", "country"), ("mcc", "mcc"), ("device", "device_id"),
        ("currency", "currency"),
    ):  # fmt: skip
        value = getattr(transaction, what)
        row[f"card_new_{name}"] = NAN if value is None else value not in {getattr(one, what) for one in past}
    days = max((time - remembered[0].time) / DAY, 1.0)
    row["card_velocity_1h"] = (1 + windows["card_count_1h"]) / (1 + count / days / 24)
    row["card_velocity_24h"] = (1 + windows["card_count_24h"]) / (1 + count / days)
    apart = [abs(one.event_time - time) % DAY for one in past]
    row["card_hour_share"] = sum(min(one, DAY - one) <= 2 * HOUR for one in apart) / count
    angles = [five_minutes(one.event_time) for one in past]
    sine, cosine = math.fsum(map(math.sin, angles)), math.fsum(map(math.cos, angles))
    if math.hypot(sine, cosine) > 1e-9:
        row["card_hour_distance"] = 1 - math.cos(five_minutes(time) - math.atan2(sine, cosine))
    return row


def five_minutes(time: datetime) -> float:
    return 2 * math.pi * ((time.hour * 60 + time.minute) // 5 + 0.5) / 288


def travel(transaction: Transaction, everything: list[Seen]) -> dict[str, float]:
    located = next((one for one in reversed(everything) if one.transaction.latitude is not None), None)
    if located is None or transaction.latitude is None or located.time > transaction.event_time:
        return {}
    last = located.transaction
    points = []
    for one in (last, transaction):
        theta, phi = math.radians(one.latitude), math.radians(one.longitude)
        points.append((math.cos(theta) * math.cos(phi), math.cos(theta) * math.sin(phi), math.sin(theta)))
    distance = 2 * 6371.0088 * math.asin(min(math.dist(*points) / 2, 1.0))
    hours = max(transaction.event_time - last.event_time, timedelta(minutes=1)) / HOUR
    return {"distance_km": distance, "speed_kmh": distance / hours}


def merchant_comparison(transaction: Transaction, history: EntityHistory) -> dict[str, float]:
    month, day = (history.amounts(transaction.event_time, window) for window in ("30d", "24h"))
    row = {"merchant_velocity_24h": (1 + len(day)) / (1 + len(month) / 30)}
    if month:
        row["amount_to_merchant_mean"] = ratio(transaction.amount, fmean(month))
    if len(month) > 1:
        spread = max(np.std(month), 0.05 * fmean(month))
        row["merchant_amount_zscore"] = ratio(transaction.amount - fmean(month), spread)
    return row


def label_features(entity: str, time: datetime, history: EntityHistory) -> dict[str, float]:
    unknown = history.outcomes_outgrown.values[history.outcomes_outgrown.until(time, HOUR) :]
    unknown += [one.is_fraud for one in history.outcomes_remembered if one.label_time > time]
    labelled, frauds = len(history.outcomes) - len(unknown), sum(one.is_fraud for one in history.outcomes)
    row: dict[str, float] = {
        f"{entity}_labelled_all": labelled,
        f"{entity}_fraud_rate_all": (frauds - sum(unknown) + 0.05) / (labelled + 10),
    }
    for window in ("24h", "7d", "30d"):
        recent = history.labels(time, window)
        row[f"{entity}_labelled_{window}"] = len(recent)
        row[f"{entity}_fraud_rate_{window}"] = (sum(recent) + 0.05) / (len(recent) + 10)
    last_first = [one for one in reversed(history.outcomes_remembered) if one.label_time <= time]
    for length in (3, 5, 10):
        last = [one.is_fraud for one in last_first[:length]]
        row[f"{entity}_fraud_share_last_{length}"] = fmean(last) if last else NAN
    run = []
    for one in last_first:
        if not one.is_fraud:
            break
        run.append(one)
    frauds = [one for one in last_first if one.is_fraud]
    row[f"{entity}_fraud_run_length"] = len(run)
    row[f"{entity}_fraud_run_age_hours"] = (time - run[-1].time) / HOUR if run else NAN
    row[f"{entity}_hours_since_fraud"] = (time - frauds[0].time) / HOUR if frauds else NAN
    return row
