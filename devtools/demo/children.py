"""Child processes that end with the demo, however it ends."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from devtools.demo.state import PROJECT, DemoError

PATIENCE_SECONDS = 20.0
_SET_PARENT_DEATH_SIGNAL = 1


class Stopped(BaseException):
    """Somebody asked the demo to stop."""


def stop_on_signals() -> None:
    """Raise `Stopped` at the first Ctrl-C, SIGTERM or hang-up; what follows runs to its end."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    for number in signals:
        signal.signal(number, stop)


@dataclass
class Child:
    """A running process, and the file that has its output."""

    name: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def check(self) -> None:
        """Return if it runs.

        Raises:
            DemoError: it ended; with its last words.
        """
        if self.process.poll() is None:
            return
        last = self.log.read_text(errors="replace").strip().splitlines()[-3:]
        raise DemoError(
            f"The {self.name} ended by itself; see {self.log}. Its last words: {' | '.join(last)}"
        )

    def stop(self) -> None:
        """End it by its process id: politely, then, after a while, not."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def child(name: str, log: Path, arguments: Sequence[str]) -> Iterator[Child]:
    """Run `python ARGUMENTS` in the project's folder while the block runs."""
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, *arguments],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal must reach the demo alone, which then stops its children.
            start_new_session=True,
            preexec_fn=_end_with(os.getpid()),
        )
    made = Child(name, log, process)
    try:
        yield made
    finally:
        made.stop()


def _end_with(parent: int) -> Callable[[], None]:
    """Return what, run in a child, lets Linux end it when a killed parent cannot."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    # Loaded here: between fork and exec as little as possible may happen.
    library = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        library.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def wait_until(true: Callable[[], bool], running: Child, seconds: float) -> None:
    """Return as soon as something is true.

    Raises:
        DemoError: the child ended, or it took too long.
    """
    limit = time.monotonic() + seconds
    while not true():
        running.check()
        if time.monotonic() > limit:
            raise DemoError(
                f"The {running.name} did not answer within {seconds:.0f} s; see {running.log}."
            )
        time.sleep(0.1)
