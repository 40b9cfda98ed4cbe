"""Somebody who writes to the configuration as Tracardi does, and notes what was acknowledged."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from environments.models import Environment
from promotion.models import Build
from promotion.store import DatabaseContent

BETWEEN_WRITES_SECONDS: Final = 0.005


class Editor:
    """Writes straight to an engine's address, by the concrete names; one connection a write."""

    def __init__(self, url: str, environment: Environment, doc_id: str = "by-hand-{}") -> None:
        self._url = url
        self._naming = environment.naming
        self._doc_id = doc_id
        # What the engine acknowledged, by resource and id.
        self.acknowledged: dict[tuple[str, str], bytes] = {}
        self.refused = 0
        self._count = 0

    def write(self, resource: str, doc_id: str, name: str) -> bool:
        """Write a document, and say whether the engine acknowledged it."""
        raw = json.dumps({"name": name}).encode()
        request = urllib.request.Request(  # noqa: S310
            f"{self._url}/{self._naming.concrete(resource)}/_doc/{doc_id}",
            raw,
            {"Content-Type": "application/json"},
            method="PUT",
        )
        try:
            with urllib.request.urlopen(request, timeout=30):  # noqa: S310
                self.acknowledged[resource, doc_id] = raw
        except urllib.error.HTTPError:
            self.refused += 1
            return False
        return True

    def next(self, *resources: str) -> bool:
        """Write the next revision to each, in turn, and say whether all were acknowledged."""
        self._count += 1
        doc_id, name = self._doc_id.format(self._count), f"r{self._count}"
        wrote = [self.write(one, doc_id, name) for one in resources]
        return all(wrote)

    @contextmanager
    def writing(self, *resources: str) -> Iterator[threading.Event]:
        """Write in a loop of its own for the block, while the event that it yields is set."""
        done, may = threading.Event(), threading.Event()

        def loop() -> None:
            while not done.wait(BETWEEN_WRITES_SECONDS):
                if may.is_set():
                    self.next(*resources)

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield may
        finally:
            done.set()
            thread.join()


def stored(build: Build) -> dict[str, dict[str, bytes]]:
    """Return what a build holds, by resource and id."""
    content = DatabaseContent()
    return {
        name: dict(content.sources(content.tree(part.tree.digest)))
        for name, part in build.resources().items()
    }
