"""The demo's Elasticsearch: the caller's, by ELASTICSEARCH_URL, or one of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from devtools.demo.state import DemoError, Say, State, timed
from devtools.elasticsearch.node import Node, NodeError, start

CLOSE_SECONDS: Final = 15.0
# A restart opens all indices; four at a time, the default, it takes half as long again.
CONFIGURATION: Final = "cluster.routing.allocation.node_initial_primaries_recoveries: 32\n"


def given_url() -> str:
    """Return ELASTICSEARCH_URL, or an empty text."""
    return os.environ.get("ELASTICSEARCH_URL", "").strip().rstrip("/")


@contextmanager
def running(state: State, say: Say) -> Iterator[tuple[str, bool]]:
    """Yield the engine's address, and whether the demo owns it and ends it afterwards.

    Raises:
        DemoError: it cannot be started, or the demo's data is in another one.
    """
    url, marker = given_url(), state.marker()
    if marker is not None and marker.own_node and url:
        raise DemoError(
            "The demo has an Elasticsearch of its own with its data: "
            "unset ELASTICSEARCH_URL, or run `make demo-reset` first."
        )
    if marker is not None and not marker.own_node and not url:
        raise DemoError(
            "The demo's data is in the cluster that ELASTICSEARCH_URL named: "
            "set it again, or run `make demo-reset` with it first."
        )
    if url:
        yield url, False
        return
    configuration = state.engine_data / "config" / "elasticsearch.yml"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.write_text(CONFIGURATION)
    try:
        with timed("Elasticsearch started", say):
            node = start(state.engine_data)
    except NodeError as error:
        raise DemoError(" ".join(str(error).split())) from error
    with node:
        try:
            yield node.url, True
        finally:
            _close(node)


def _close(node: Node) -> None:
    """Let the node close its indices by itself: otherwise the next start replays their logs."""
    if node.process.stdin is not None:
        node.process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        node.process.wait(CLOSE_SECONDS)
