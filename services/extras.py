"""Which optional packages are installed."""

from importlib.util import find_spec

TRAIN = ("jinja2", "matplotlib", "mlflow", "optuna")
INSTALL_TRAIN = "Install it with `pip install 'ringfence[train]'`."


def has_train() -> bool:
    """Tell whether what the search, model cards and tracking need is installed; nothing is imported."""
    return all(find_spec(name) is not None for name in TRAIN)
