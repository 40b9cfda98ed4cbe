"""Ends a process for good at an exact moment of a promotion's work."""

import os
import re
import select
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.db import connections
from django.db.models.signals import post_save, pre_save

from environments import elastic
from environments.elastic import Connection
from promotion.models import Step

PATIENCE_SECONDS: Final = 120
# What a request that changes the cluster is called in a moment's name; the first that fits.
_KINDS: Final = (
    ("POST", r"/_aliases", "aliases"),
    ("PUT", r"/tracardi-console\.leases/_doc/.*", "lease"),
    ("PUT", r"/_index_template/.*", "template"),
    ("DELETE", r"/_index_template/.*", "untemplate"),
    ("PUT", r"/.*/_clone/.*", "clone"),
    ("PUT", r"/.*/_block/write", "block"),
    ("PUT", r"/.*/_settings", "settings"),
    ("PUT", r"/.*/_create/.*", "facts"),
    ("POST", r"/.*/_bulk", "bulk"),
    # Made once in a cluster's life, for all consoles.
    ("PUT", r"/tracardi-console\.leases", ""),
    ("PUT", r"/tracardi-console\.[^/]*", "marker"),
    ("PUT", r"/[^/]*", "create"),
    ("DELETE", r"/[^/]*", "delete"),
    ("GET", r"/.*", ""),
    ("POST", r"/.*/_(search|refresh)|/_index_template/_simulate_index/.*", ""),
)


def kind_of(method: str, path: str) -> str:
    """Return what a request does to the cluster, or an empty string where it only reads.

    Raises:
        LookupError: there is no word for it yet: add one, and a kill point.
    """
    for verb, pattern, kind in _KINDS:
        if method == verb and re.fullmatch(pattern, path):
            return kind
    raise LookupError(f"No kill point for {method} {path}.")


@contextmanager
def moments(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell each moment at which a process may die, in order, by a name.

    `copy begun`: the step is recorded, and has done nothing. `copy: clone sent`: the engine did it,
    and nobody knows. `copy done`: the step has acted, and that is not recorded. `copy recorded`.
    """
    step = "before"

    def before_saving(instance: Step, **_: Any) -> None:
        if instance.pk is not None:
            tell(f"{step} done")

    def after_saving(instance: Step, created: bool, **_: Any) -> None:
        nonlocal step
        step = instance.name
        tell(f"{step} {'begun' if created else 'recorded'}")

    send = Connection._send

    def sending(self: Connection, client: Any, method: str, path: str, *rest: Any) -> Any:
        kind = kind_of(method, path)
        if kind == "aliases":
            tell(f"{step}: {kind} due")
        answer = send(self, client, method, path, *rest)
        # Beats of a claim come when they come; only that it was taken is a moment of its own.
        if kind and (kind != "lease" or step == "before"):
            tell(f"{step}: {kind} sent")
        return answer

    pre_save.connect(before_saving, sender=Step)
    post_save.connect(after_saving, sender=Step)
    Connection._send = sending  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Connection._send = send  # type: ignore[method-assign]
        pre_save.disconnect(before_saving, sender=Step)
        post_save.disconnect(after_saving, sender=Step)


@contextmanager
def once(moment: str, act: Callable[[], object]) -> Iterator[None]:
    """Do something the first time that the block's work comes to a moment; it must come."""
    due = [act]

    def tell(now: str) -> None:
        if now == moment and due:
            due.pop()()

    with moments(tell):
        yield
    assert not due, f"It was never {moment!r}."


def record(act: Callable[[], object]) -> list[str]:
    """Do it, and return the names of all its moments, each once."""
    seen: dict[str, None] = {}
    with moments(lambda moment: seen.setdefault(moment)):
        act()
    return list(seen)


class NotKilled(AssertionError):
    """The child ended by itself."""


def die_at(moment: str, act: Callable[[], object], errors: Path) -> None:
    """Do it in a process of its own that is killed (SIGKILL) the first time it is that moment.

    Raises:
        NotKilled: it never was; with what the child met, if it failed.
    """
    # No connection may be shared between the two.
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        _child(moment, act, errors)
    ended = os.pidfd_open(pid)
    try:
        if not select.select([ended], [], [], PATIENCE_SECONDS)[0]:
            os.kill(pid, signal.SIGKILL)
            raise NotKilled(f"It hung before {moment!r}.")
    finally:
        os.close(ended)
    _pid, status = os.waitpid(pid, 0)
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
        met = errors.read_text() if errors.exists() else "It ended by itself."
        raise NotKilled(f"It was never {moment!r}. {met}")


def _child(moment: str, act: Callable[[], object], errors: Path) -> None:
    def tell(now: str) -> None:
        if now == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        elastic._connections.clear()
        with moments(tell):
            act()
    except BaseException:  # noqa: BLE001 - whatever it is, the parent tells it
        errors.write_text(traceback.format_exc())
    finally:
        os._exit(1)
