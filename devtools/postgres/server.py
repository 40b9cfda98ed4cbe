"""Starts a real PostgreSQL on a free loopback port, from Debian's package; its data is temporary.

Only the standard library: it runs before anything else is set up. The server ends with the process
that started it, because that process holds its keeper's standard input open.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

DEBIAN: Final = Path("/usr/lib/postgresql")
PROGRAMS: Final = ("initdb", "postgres", "pg_isready")
INSTALL: Final = "install PostgreSQL's server (Debian: postgresql), then try again."
# It refuses to run as root; Debian's package makes this account for it.
ACCOUNT: Final = "postgres"
USER: Final = "console"
START_SECONDS: Final = 60
STOP_SECONDS: Final = 15
MEMORY_BYTES: Final = 1024**3
# What is lost with the machine's power is lost with the test run anyway.
OPTIONS: Final = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
)
# Waits until its standard input ends, then ends the server by its process id and removes the data.
KEEPER: Final = """
home=$1; shift; cd /
"$@" </dev/null & server=$!
cat >/dev/null
kill -INT "$server"; wait "$server"
rm -rf "$home"
"""


class ServerError(RuntimeError):
    """The server could not be made or started; the text says what to do."""


def programs() -> Path:
    """Return the folder of PostgreSQL's programs, the newest version of several.

    Raises:
        ServerError: there is none.
    """
    folders = [found / "bin" for found in DEBIAN.glob("*")]
    if (on_path := shutil.which("initdb")) is not None:
        folders.append(Path(on_path).resolve().parent)
    whole = [one for one in folders if all(os.access(one / name, os.X_OK) for name in PROGRAMS)]
    if not whole:
        raise ServerError(f"PostgreSQL is missing: {INSTALL}")
    return max(whole, key=_version)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", folder.parent.name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _place() -> str | None:
    """Return a folder in memory with room for a test run's data; None means the usual place."""
    shared = Path("/dev/shm")  # noqa: S108
    room = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free >= MEMORY_BYTES
    return str(shared) if room else None


def _unprivileged() -> dict[str, Any]:
    """Return how a process is started so that it does not run as root."""
    return {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}


@dataclass
class Server:
    """A running server. Use as a context manager, or call `stop`."""

    url: str
    home: Path
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        """End the server, and remove its data."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
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


def start() -> Server:
    """Start a server and return when it answers.

    Raises:
        ServerError: something is missing, or it did not come up in time.
    """
    folder = programs()
    home = Path(tempfile.mkdtemp(prefix="console-postgres-", dir=_place()))
    port, password = _free_port(), secrets.token_hex(16)
    try:
        _make(folder, home, password)
        process = _run(folder, home, port)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    server = Server(f"postgres://{USER}:{password}@127.0.0.1:{port}/postgres", home, process)
    try:
        _wait(folder, server, port)
    except BaseException:
        server.stop()
        raise
    return server


def _make(folder: Path, home: Path, password: str) -> None:
    secret = home / "password"
    secret.touch(0o600)
    secret.write_text(password)
    if os.geteuid() == 0:
        try:
            for path in (home, secret):
                shutil.chown(path, ACCOUNT, ACCOUNT)
        except LookupError as error:
            raise ServerError(
                f"PostgreSQL does not run as root, and there is no account {ACCOUNT}: {INSTALL}"
            ) from error
    done = subprocess.run(  # noqa: S603
        [
            folder / "initdb",
            f"--pgdata={home / 'data'}",
            f"--username={USER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        cwd=home,
        capture_output=True,
        text=True,
        **_unprivileged(),
    )
    secret.unlink()
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise ServerError(f"PostgreSQL's data could not be made. Its last words:\n{last}")


def _run(folder: Path, home: Path, port: int) -> "subprocess.Popen[bytes]":
    options = [word for option in (*OPTIONS, f"port={port}") for word in ("-c", option)]
    command = [str(folder / "postgres"), "-D", str(home / "data"), *options]
    with (home / "server.log").open("wb") as sink:
        return subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", KEEPER, "keeper", str(home), *command],
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal must reach the starter alone, which then stops the server.
            start_new_session=True,
            **_unprivileged(),
        )


def _wait(folder: Path, server: Server, port: int) -> None:
    ask = [str(folder / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}"]
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        if subprocess.run(ask).returncode == 0:  # noqa: S603
            return
        time.sleep(0.1)
    last = (server.home / "server.log").read_text(errors="replace").splitlines()[-5:]
    words = "\n".join(last)
    raise ServerError(
        f"PostgreSQL did not answer within {START_SECONDS} s. Its last words:\n{words}"
    )


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command with DATABASE_URL of a server of its own, and return its exit code."""
    with start() as server:
        told = {**environment, "DATABASE_URL": server.url}
        return subprocess.run(command, env=told).returncode  # noqa: S603


def main() -> int:
    """Run the command given, such as `pytest`, on a fresh PostgreSQL."""
    if len(sys.argv) < 2:
        sys.stderr.write("Name the command to run, such as: pytest tests/races\n")
        return 2
    try:
        return run(sys.argv[1:], os.environ)
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
