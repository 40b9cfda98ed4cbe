"""`make demo` as a process: it serves, stops when asked, and leaves no other process."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from devtools.demo.removal import names_of
from devtools.demo.state import PROJECT
from environments.elastic import Connection
from environments.models import Cluster


def command(name: str, folder: Path, url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", f"devtools.demo.{name}", "--folder", str(folder)],
        cwd=PROJECT,
        env={**os.environ, "ELASTICSEARCH_URL": url, "DEMO_PORT": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def children_of(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything.
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(path.parent.name), *children_of(int(path.parent.name))]
    return found


def start(folder: Path, url: str) -> tuple["subprocess.Popen[str]", list[str]]:
    process, lines = command("run", folder, url), []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Stop with"):
            break
    assert process.poll() is None, lines
    return process, lines


def all_end(pids: list[int]) -> bool:
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.1)
    return False


def test_the_demo_runs_until_it_is_stopped_and_leaves_no_process(
    tmp_path: Path, elasticsearch_url: str
) -> None:
    # A name that a URL must quote.
    folder = tmp_path / "a demo%20 here"
    process, lines = start(folder, elasticsearch_url)
    try:
        [address] = [line.split()[4] for line in lines if "runs at" in line]
        style = f"{address}static/console/theme.css"
        with urllib.request.urlopen(style) as answer:  # noqa: S310
            assert answer.headers["Content-Type"].startswith("text/css")
        [stand_in] = [line.split()[0] for line in lines if "stands in for Tracardi" in line]
        with urllib.request.urlopen(stand_in) as answer:  # noqa: S310
            assert "This is no Tracardi." in answer.read().decode()
        children = children_of(process.pid)
        assert len(children) >= 4
        # A second one of the same folder, and a reset, wait for the first to be stopped.
        other = command("reset", folder, elasticsearch_url)
        assert "A demo is running" in other.communicate(timeout=30)[0]
        assert other.returncode == 1
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0].endswith("Stopped.\n")
        assert process.returncode == 0
        assert all_end(children)

        # The second start keeps the passwords; killed, it takes its children along.
        process, again = start(folder, elasticsearch_url)
        kept = [line for line in lines if line.startswith("  qa ")]
        assert [line for line in again if line.startswith("  qa ")] == kept
        children = children_of(process.pid)
        process.kill()
        process.communicate(timeout=30)
        assert all_end(children)
    finally:
        process.kill()
        tenant = json.loads((folder / "marker.json").read_text())["tenant"]
        # Without ELASTICSEARCH_URL it asks the cluster at its last address.
        done = command("reset", folder, "")
        words = done.communicate(timeout=60)[0]
    assert done.returncode == 0, words
    assert words.endswith("The demo is removed.\n")
    assert names_of(Connection(Cluster(name="Test", url=elasticsearch_url)), tenant) == []
    assert [path.name for path in folder.iterdir()] == ["lock"]
    again_done = command("reset", folder, "")
    assert "There is no demo" in again_done.communicate(timeout=30)[0]
    assert again_done.returncode == 0
