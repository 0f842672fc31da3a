"""The plots of a model card, drawn by Matplotlib as SVG.

Colours stand for roles (ink, faint, first, second). Inside a page each role is a CSS variable, so that a plot follows
the reader's light or dark page; a plot on its own has fixed colours.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from models.assessment import Assessment
from models.curves import LOW_FPR
from models.evaluate import FALSE_POSITIVE_RATES
from models.reliability import Bin
from models.stability import SHIFTED, SLIGHTLY_SHIFTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

INK, FAINT, FIRST, SECOND = "#1b1f24", "#c9cfd6", "#1f5fa8", "#b4540a"
ROLES = {INK: "var(--ink)", FAINT: "var(--faint)", FIRST: "var(--first)", SECOND: "var(--second)"}
FEWEST_WEEKS = 4  # fewer take the place of as many, so that a bar does not fill the plot
FLOOR = 1e-5  # lowest rate on a logarithmic axis
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: searchable, and in the page's own type
    "svg.hashsalt": "ringfence",
    "font.size": 9.5,
    "font.family": "sans-serif",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot: ``svg`` stands on its own; ``caption`` says what is drawn, ``alt`` what can be read off it."""

    name: str
    caption: str
    alt: str
    svg: str

    @property
    def inline(self) -> str:
        """The SVG element for an HTML page: named, in the page's colours, its ids unlike any other plot's."""
        element = self.svg[self.svg.index("<svg") :]
        element = re.sub(r'((?:id=|href=)"#?|url\(#)', rf"\g<1>{self.name}-", element)
        for colour, variable in ROLES.items():
            element = element.replace(colour, variable)
        return element.replace("<svg ", f'<svg role="img" aria-labelledby="{self.name}-alt" ', 1)


def plots(found: Assessment) -> tuple[Plot, ...]:
    """Draw everything that a card shows of an assessment."""
    values = found.figures.values
    return (
        _plot(
            "precision-recall",
            "Precision over recall. The dashed line is what chance would reach: the fraud rate.",
            f"Precision-recall curve with average precision {values['average_precision']:.3f} at a fraud rate of "
            f"{values['fraud_rate']:.2%}.",
            lambda figure: _precision_recall(figure.subplots(), found),
        ),
        _plot(
            "low-roc",
            "Recall where few genuine payments are flagged: the left edge of the ROC curve.",
            "Recall by false-positive rate: "
            + ", ".join(
                f"{values[f'recall_at_fpr_{name}']:.1%} at {rate:.1%}" for name, rate in FALSE_POSITIVE_RATES.items()
            )
            + ".",
            lambda figure: _low_roc(figure.subplots(), found),
        ),
        _plot(
            "reliability",
            f"Observed fraud rate over mean score in {len(found.bins)} bins of as many transactions each, with 95 % "
            "intervals. On the dashed line scores mean what they say; hollow points are bins without any fraud.",
            f"Reliability plot: expected calibration error {values['ece']:.4f}, calibration slope "
            f"{found.line.slope:.2f}.",
            lambda figure: _reliability(figure.subplots(), found.bins),
        ),
        _plot(
            "weeks",
            "By week: average precision and the share of frauds reviewed or declined (no point where a week has too "
            f"few frauds), and the population stability index of scores against {found.reference}.",
            f"{len(found.weeks)} weeks; the largest population stability index is {found.largest_psi:.3f}.",
            lambda figure: _weeks(figure, found),
            size=(7.2, 3.6),
        ),
    )


def _plot(
    name: str, caption: str, alt: str, draw: Callable[["Figure"], None], size: tuple[float, float] = (4.6, 3.4)
) -> Plot:
    # Takes half a second to import, and only cards need it. No pyplot: that keeps state of its own.
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        text = StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    return Plot(name, caption, alt, text.getvalue())


def _precision_recall(axes: "Axes", found: Assessment) -> None:
    axes.plot(found.precision_recall.x, found.precision_recall.y, color=FIRST, linewidth=1.8)
    axes.axhline(found.figures.values["fraud_rate"], color=INK, linewidth=1, linestyle="--")
    axes.set(xlabel="Recall", ylabel="Precision", xlim=(0, 1), ylim=(0, 1.03))
    _percent(axes.xaxis, axes.yaxis)


def _low_roc(axes: "Axes", found: Assessment) -> None:
    axes.plot(found.low_roc.x, found.low_roc.y, color=FIRST, linewidth=1.8)
    for name, rate in FALSE_POSITIVE_RATES.items():
        recall = found.figures.values[f"recall_at_fpr_{name}"]
        axes.plot([rate], [recall], "o", color=SECOND, markersize=5)
        axes.annotate(f"{recall * 100:.0f} %", (rate, recall), xytext=(5, -11), textcoords="offset points")
    axes.set(xlabel="Share of genuine payments flagged", ylabel="Recall", xlim=(0, LOW_FPR), ylim=(0, 1.03))
    axes.set_xticks([LOW_FPR * quarter / 4 for quarter in range(5)])
    _percent(axes.xaxis, axes.yaxis)


def _reliability(axes: "Axes", bins: list[Bin]) -> None:
    lowest = max(FLOOR, min(one.predicted for one in bins) / 2)
    axes.plot([lowest, 1], [lowest, 1], color=INK, linewidth=1, linestyle="--")
    for one in bins:
        x, y, low = (max(value, lowest) for value in (one.predicted, one.observed, one.low))
        axes.plot([x, x], [low, one.high], color=FIRST, linewidth=1)
        axes.plot([x], [y], "o", color=FIRST, markersize=5, fillstyle="full" if one.frauds else "none", clip_on=False)
    axes.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(lowest, 1))
    axes.set(xlabel="Mean score", ylabel="Observed fraud rate")
    _percent(axes.xaxis, axes.yaxis)


def _weeks(figure: "Figure", found: Assessment) -> None:
    ranking, shift = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    places = range(len(found.weeks))
    series = (
        ("average precision", FIRST, "o-", [week.average_precision for week in found.weeks]),
        ("frauds reviewed or declined", SECOND, "s--", [week.caught for week in found.weeks]),
    )
    for label, colour, mark, values in series:
        drawn = [float("nan") if value is None else value for value in values]
        ranking.plot(places, drawn, mark, color=colour, linewidth=1.5, markersize=4, label=label)
    ranking.set(ylim=(0, 1.03))
    ranking.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    _percent(ranking.yaxis)
    shift.bar(places, [week.psi for week in found.weeks], color=FIRST, width=0.6)
    for level in (SLIGHTLY_SHIFTED, SHIFTED):
        shift.axhline(level, color=INK, linewidth=0.9, linestyle="--")
    shift.set(ylabel="PSI", ylim=(0, max(SHIFTED * 1.2, *(week.psi * 1.1 for week in found.weeks))))
    shift.set_xlim(-0.5, max(len(found.weeks), FEWEST_WEEKS) - 0.5)
    step = max(1, len(found.weeks) // 8)
    shift.set_xticks(places[::step], [f"{week.start:%d %b}" for week in found.weeks[::step]])
    shift.set(xlabel="Week from")


def _percent(*axes: "Axis") -> None:
    for axis in axes:
        axis.set_major_formatter(lambda share, _place: f"{share * 100:g} %")
