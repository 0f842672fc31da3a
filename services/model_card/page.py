"""Makes a page of a model card: one HTML file with everything in it, for screen and paper, without scripts or links."""

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from itertools import groupby

from features.errors import ConfigurationError
from models.segment_figures import MIN_FRAUDS, Segment
from services.extras import INSTALL_TRAIN
from services.model_card.card import ModelCard
from services.model_card.plots import Plot

TEMPLATE = "card.html.j2"


def page(card: ModelCard, plots: Sequence[Plot]) -> str:
    """Return the card as HTML; raises `ConfigurationError` where Jinja is not installed."""
    try:
        import jinja2  # noqa: PLC0415 only cards need it
    except ImportError:
        raise ConfigurationError("A model card needs the extra `train`.", remedy=INSTALL_TRAIN) from None
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": percent, "figure": figure, "count": count, "day": day}
    template = environment.from_string(files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        card=card,
        found=card.assessment,
        plots={plot.name: plot for plot in plots},
        segments=_by_kind(card.assessment.segments),
        min_frauds=MIN_FRAUDS,
    )


def percent(share: float, decimals: int = 1) -> str:
    """0.0123 as ``1.2 %``."""
    return f"{share * 100:,.{decimals}f} %"


def figure(value: float, decimals: int = 3) -> str:
    """1234.5678 as ``1,234.568``."""
    return f"{value:,.{decimals}f}"


def count(value: float) -> str:
    """1234.0 as ``1,234``."""
    return f"{value:,.0f}"


def day(moment: datetime) -> str:
    """A moment as its day, for example ``1 March 2030``."""
    return f"{moment.day} {moment:%B %Y}"


def _by_kind(segments: Sequence[Segment]) -> list[tuple[str, list[Segment]]]:
    return [(kind, list(found)) for kind, found in groupby(segments, key=_kind)]


def _kind(segment: Segment) -> str:
    return segment.kind
