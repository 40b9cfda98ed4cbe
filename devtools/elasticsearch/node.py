"""Starts a real Elasticsearch or OpenSearch on a free loopback port, from Maven's jars.

Only the standard library: it runs before anything else is set up. The node ends with the process
that started it, because that process holds its standard input open.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent.parent / ".cache" / "elasticsearch"
START_SECONDS = 90
MEMORY_BYTES = 4 * 1024**3


class NodeError(RuntimeError):
    """The node could not be made or started; the text says what to do."""


class Engine(StrEnum):
    """What can be started; each value is the name of a folder with its pom and its main."""

    ELASTICSEARCH_7_17 = "elasticsearch-7.17"
    ELASTICSEARCH_7_10 = "elasticsearch-7.10"
    OPENSEARCH_2_19 = "opensearch-2.19"

    @property
    def version(self) -> str:
        return _VERSIONS[self]

    @property
    def label(self) -> str:
        brand = "OpenSearch" if self.value.startswith("opensearch") else "Elasticsearch"
        return f"{brand} {self.version}"


# As the poms have them: the folder of the jars is named by it.
_VERSIONS = {
    Engine.ELASTICSEARCH_7_17: "7.17.28",
    Engine.ELASTICSEARCH_7_10: "7.10.2",
    Engine.OPENSEARCH_2_19: "2.19.1",
}


def _need(program: str, install: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise NodeError(f"{program} is missing: install {install}, then try again.")
    return path


def _java() -> str:
    java = _need("java", "a JDK 17 (Debian: openjdk-17-jdk-headless)")
    words = subprocess.run([java, "-version"], capture_output=True, text=True).stderr  # noqa: S603
    found = re.search(r'version "(\d+)', words)
    if found is None or int(found[1]) < 17:
        raise NodeError("java is too old: install a JDK 17 (Debian: openjdk-17-jdk-headless).")
    return java


def jars(engine: Engine = Engine.ELASTICSEARCH_7_17) -> Path:
    """Return the folder of an engine's jars, got with Maven the first time.

    Raises:
        NodeError: Maven is missing or did not succeed.
    """
    ready = CACHE / engine.version
    if ready.is_dir():
        return ready
    maven = _need("mvn", "Maven (Debian: maven)")
    CACHE.mkdir(parents=True, exist_ok=True)
    # Renamed only when whole, so that a killed download is not taken for one.
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=CACHE))
    pom = str(HERE / engine / "pom.xml")
    command = [maven, "-q", "-B", "-f", pom, "dependency:copy-dependencies"]
    done = subprocess.run(  # noqa: S603
        [*command, f"-DoutputDirectory={partial}"], capture_output=True, text=True
    )
    if done.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise NodeError(f"Maven could not get the jars of {engine.label}. Its last words:\n{last}")
    try:
        partial.rename(ready)
    except OSError:
        # Another process was first.
        shutil.rmtree(partial, ignore_errors=True)
    return ready


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Node:
    """A running node. Use as a context manager, or call `stop`."""

    url: str
    home: Path
    process: "subprocess.Popen[bytes]"
    temporary: bool

    def stop(self) -> None:
        """End the node by its process id, and remove its data if it was temporary."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.temporary:
            shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def memory_folder() -> str | None:
    """Return a folder in memory with room for a test run's data; None means the usual place.

    Each change of the cluster's state waits for the disk: in memory, an index is made in half the
    time (measured).
    """
    shared = Path("/dev/shm")  # noqa: S108
    if not os.access(shared, os.W_OK):
        return None
    return str(shared) if shutil.disk_usage(shared).free >= MEMORY_BYTES else None


def start(
    data: Path | None = None,
    port: int = 0,
    *,
    in_memory: bool = False,
    brief: bool = False,
    engine: Engine = Engine.ELASTICSEARCH_7_17,
) -> Node:
    """Start a node and return when it answers. Without `data` its data is temporary.

    `in_memory` keeps temporary data out of the disk, where the machine can. `brief` is for a node
    that ends before Java's better code pays: without it, 120 indices took half the time (measured).

    Raises:
        NodeError: something is missing, or the node did not come up in time.
    """
    java, lib = _java(), jars(engine)
    place = memory_folder() if in_memory else None
    home = data or Path(tempfile.mkdtemp(prefix="console-elasticsearch-", dir=place))
    (home / "config").mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    heap = os.environ.get("ELASTICSEARCH_HEAP", "512m")
    log = home / "node.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603
            [
                java,
                f"-Xms{heap}",
                f"-Xmx{heap}",
                *(["-XX:TieredStopAtLevel=1"] if brief else []),
                "-Dlog4j2.disable.jmx=true",
                "-cp",
                f"{lib}/*",
                str(HERE / engine / "Main.java"),
                str(home),
                str(port),
            ],
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal must reach the starter alone, which then stops the node.
            start_new_session=True,
        )
    node = Node(f"http://127.0.0.1:{port}", home, process, temporary=data is None)
    try:
        _wait(node, log, engine.label)
    except BaseException:
        node.stop()
        raise
    return node


def _wait(node: Node, log: Path, label: str) -> None:
    health = f"{node.url}/_cluster/health?wait_for_status=yellow&timeout=1s"
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        if node.process.poll() is not None:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise NodeError(f"{label} ended while starting. Its last words:\n{last}")
        try:
            with urllib.request.urlopen(health, timeout=5) as answer:  # noqa: S310
                if json.load(answer)["status"] in {"green", "yellow"}:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise NodeError(f"{label} did not answer within {START_SECONDS} s; see {log}.")


def main() -> int:
    """Run a node in the foreground until Ctrl-C, printing its address."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, help="keep the data in this folder")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--engine", type=Engine, choices=list(Engine), default=Engine.ELASTICSEARCH_7_17
    )
    options = parser.parse_args()
    try:
        with start(options.data, options.port, engine=options.engine) as node:
            sys.stdout.write(f"{node.url}\n")
            sys.stdout.flush()
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except NodeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
