"""Does several things at once: in threads, in processes, or when a request reaches the engine."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connections

from promotion.engine.errors import PromotionError
from tests.faults.proxy import Fault, Proxy

PATIENCE_SECONDS: Final = 180
MANAGE: Final = Path(__file__).resolve().parent.parent.parent / "manage.py"


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all at the same moment, each in a thread with a database connection of its own.

    Returns what each returned, or the `PromotionError` that it met.
    """
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        start.wait(PATIENCE_SECONDS)
        try:
            return act()
        except PromotionError as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


class Meeting:
    """Lets the first callers wait for each other right after they got their answer."""

    def __init__(self, real: Callable[..., Any], callers: int = 2) -> None:
        self._real = real
        self._left = callers
        self._barrier = threading.Barrier(callers)
        self._guard = threading.Lock()

    def __call__(self, *args: Any, **rest: Any) -> Any:
        answer = self._real(*args, **rest)
        with self._guard:
            self._left -= 1
            waits = self._left >= 0
        if waits:
            self._barrier.wait(PATIENCE_SECONDS)
        return answer


@contextmanager
def when(
    proxy: Proxy, pattern: str, act: Callable[[], object], *, after: bool = False, times: int = 1
) -> Iterator[Fault]:
    """Do something when a request arrives, before the engine gets it, or `after` it has answered.

    At the end of the block it must have happened.
    """
    problems: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - told below, in the test's own thread
            problems.append(error)
        finally:
            connections.close_all()

    def before(body: bytes) -> bytes:
        run()
        return body

    def afterwards(answer: tuple[int, bytes]) -> tuple[int, bytes]:
        run()
        return answer

    met = Fault(pattern, times)
    if after:
        met.after = afterwards
    else:
        met.change = before
    with proxy.failing(met):
        yield met
    if problems:
        raise problems[0]
    assert met.met, f"No request was {pattern!r}."


def database_url(name: str = "") -> str:
    """Return the address of the tests' database, or of another one beside it."""
    made = settings.DATABASES["default"]
    if made["ENGINE"] == "django.db.backends.sqlite3":
        return f"sqlite:///{name or connections['default'].settings_dict['NAME']}"
    given = urlsplit(os.environ["DATABASE_URL"])
    return given._replace(path=f"/{name or connections['default'].settings_dict['NAME']}").geturl()


def process(
    *words: str, url: str = "", environment: Mapping[str, str] | None = None, script: Path = MANAGE
) -> "subprocess.Popen[str]":
    """Start `manage.py` with some words in a process of its own, on a database by its address."""
    told = {**os.environ, "DATABASE_URL": url or database_url(), **(environment or {})}
    return subprocess.Popen(  # noqa: S603
        [sys.executable, str(script), *words],
        cwd=MANAGE.parent,
        env=told,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(started: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Return a process's exit code, and what it printed, once it ended by itself."""
    try:
        out, err = started.communicate(timeout=PATIENCE_SECONDS)
    finally:
        started.kill()
    return started.returncode, out, err
