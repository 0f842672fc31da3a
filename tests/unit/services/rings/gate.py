"""The gate of the ring network with its verdict given, asked about a network of one epoch."""

import msgspec
import pytest
import torch

from services.rings import network as ring_network


def silent(_what):
    return lambda _done, _total: None


def ask(state, simulation, *, lenient):
    """Return the question to the gate, which lets everything in if ``lenient``, nothing otherwise."""

    def decided(*arguments, **named):
        report = compare(*arguments, **(named | {"rounds": 5, "resamples": 20}))
        checks = tuple(msgspec.structs.replace(one, passed=lenient) for one in report.checks)
        return msgspec.structs.replace(report, checks=checks)

    def asked(history, features):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ring_network, "compare", decided)
            options = {"campaigns": simulation.truth, "epochs": 1, "device": torch.device("cpu"), "step": silent}
            return ring_network.evaluate_rings(state, history, features=features, **options).column

    compare = ring_network.compare
    return asked
