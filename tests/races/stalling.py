"""Stops a process at an exact moment of a promotion's work, and lets it go on much later."""

import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connections

from environments import elastic
from promotion import claim
from tests.faults.killing import PATIENCE_SECONDS, moments


class NotStalledError(AssertionError):
    """The child ended, or hung, before the moment came."""


def stall_at(
    moment: str, act: Callable[[], object], meanwhile: Callable[[], None], errors: Path
) -> str:
    """Do it in a process that is stopped the first time it is that moment, and return its error.

    Then `meanwhile` happens here, and the process goes on, to whose clock a lease time has passed.
    The error is the last line of a traceback, or empty where it met none.

    Raises:
        NotStalledError: it never was that moment.
    """
    # No connection may be shared between the two.
    connections.close_all()
    hears, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(hears)
        _child(moment, act, errors, tells)
    os.close(tells)
    try:
        came = _readable(hears) and os.read(hears, 1)
        if not came:
            met = errors.read_text() if errors.exists() else "It ended by itself, or hung."
            raise NotStalledError(f"It was never {moment!r}. {met}")
        os.waitpid(pid, os.WUNTRACED)
        meanwhile()
        connections.close_all()
        os.kill(pid, signal.SIGCONT)
        # Its end of the pipe is closed when it ends.
        assert _readable(hears), "It hung after it woke up."
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(hears)
    return errors.read_text().strip().splitlines()[-1] if errors.exists() else ""


def _readable(pipe: int) -> bool:
    return bool(select.select([pipe], [], [], PATIENCE_SECONDS)[0])


def _child(moment: str, act: Callable[[], object], errors: Path, tells: int) -> None:
    slept = 0.0

    def tell(now: str) -> None:
        nonlocal slept
        if now == moment and not slept:
            os.write(tells, b".")
            os.kill(os.getpid(), signal.SIGSTOP)
            slept = settings.LEASE_SECONDS

    try:
        elastic._connections.clear()
        claim.clock = lambda: time.monotonic() + slept
        with moments(tell):
            act()
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
        errors.write_text(traceback.format_exc())
    finally:
        os._exit(0)
