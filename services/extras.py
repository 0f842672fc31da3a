"""Which optional packages are installed."""

from importlib.util import find_spec

from features.errors import ConfigurationError

TRAIN = ("jinja2", "matplotlib", "mlflow", "optuna")
INSTALL_TRAIN = "Install it with `pip install 'ringfence[train]'`."
GNN = ("torch", "torch_geometric")
INSTALL_GNN = (
    "Install it with `pip install 'ringfence[gnn]'`; docs/rings.md says how to get PyTorch's smaller CPU build."
)


def has_train() -> bool:
    """Tell whether what the search, model cards and tracking need is installed; nothing is imported."""
    return all(find_spec(name) is not None for name in TRAIN)


def need_gnn() -> None:
    """Raise `ConfigurationError` unless what ring models are trained with is installed; nothing is imported."""
    if not all(find_spec(name) is not None for name in GNN):
        raise ConfigurationError("The extra `gnn` is not installed.", remedy=INSTALL_GNN)
