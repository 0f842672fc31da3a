"""Reads what a process exposes."""

from prometheus_client.parser import text_string_to_metric_families

# value by name and labels
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """Return the samples of Prometheus's text format, as `monitoring.exposition.render` writes it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
