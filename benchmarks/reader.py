"""A process that reads production in a loop and counts what is neither wholly old nor wholly new.

Each read is one `_search` over all production aliases. It counts, for each resource, all documents
and those that the change wrote; so one document too few, too many or of the other state is seen.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

# Short against a swap, and long enough to leave the engine its time on a small machine.
PAUSE_SECONDS: Final = 0.005
SETTLE_SECONDS: Final = 60.0
_State = dict[str, list[int]]


@dataclass(frozen=True)
class Watch:
    """What to read, and the two states that are right.

    `total` counts documents by storage name, `changed` those that the change writes.
    """

    url: str
    aliases: tuple[str, ...]
    query: Mapping[str, Any]
    total: Mapping[str, int]
    changed: Mapping[str, int]


@dataclass(frozen=True)
class Seen:
    """What a reader saw.

    `live_at` is when the new state was first read whole, on the clock of `time.monotonic`, which
    all processes of a machine share; `bad_seconds` runs from the first wrong read to the last.
    """

    reads: int
    inconsistent: int
    bad_seconds: float
    live_at: float


class Reader:
    """A reading process, told what to watch again and again. Use as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.wait()

    @contextmanager
    def watching(self, watch: Watch) -> Iterator[list[Seen]]:
        """Read while the block runs, and on until the new state is read; then append one `Seen`.

        Raises:
            RuntimeError: the reader ended, or the new state did not come.
        """
        found: list[Seen] = []
        self._tell(asdict(watch))
        # The old state was read whole: from now on every read counts.
        self._answer()
        yield found
        self._tell({})
        found.append(Seen(**self._answer()))

    def _tell(self, words: Mapping[str, Any]) -> None:
        if self._process.stdin is None:
            raise RuntimeError("The reader has no standard input.")
        self._process.stdin.write(f"{json.dumps(words)}\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError("The reader ended by itself.")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"The reader did not see the wanted state: {answer['error']}")
        return answer


class _Production:
    def __init__(self, watch: Watch) -> None:
        parts = urlsplit(watch.url)
        self._host, self._port = parts.hostname or "", parts.port or 9200
        self._path = f"/{','.join(watch.aliases)}/_search"
        self._body = json.dumps(
            {
                "size": 0,
                "query": {"match_all": {}},
                "aggs": {
                    "index": {
                        "terms": {"field": "_index", "size": 1000},
                        "aggs": {"new": {"filter": watch.query}},
                    }
                },
            }
        )
        self._link = http.client.HTTPConnection(self._host, self._port, timeout=30)

    def read(self) -> _State | str:
        """Return what is there by storage name: all documents, and the new ones; or an error."""
        try:
            self._link.request("POST", self._path, self._body, {"Content-Type": "application/json"})
            answer = self._link.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._link.close()
            return repr(error)
        if answer.status != 200 or found["_shards"]["failed"] or found["timed_out"]:
            return str(found)[:300]
        return {
            # prod-08x.acme.tracardi-flow, prod-08x-g000007.acme.tracardi-flow: the third part.
            bucket["key"].split(".")[2]: [bucket["doc_count"], bucket["new"]["doc_count"]]
            for bucket in found["aggregations"]["index"]["buckets"]
        }


def _wait(production: _Production, wanted: _State) -> str:
    """Read until a state is there, and return an empty string, or what is there instead."""
    limit = time.monotonic() + SETTLE_SECONDS
    while (found := production.read()) != wanted:
        if time.monotonic() > limit:
            return f"{found} instead of {wanted}"
        time.sleep(PAUSE_SECONDS)
    return ""


def _watch(watch: Watch, told: threading.Event) -> dict[str, Any]:
    before = {name: [count, 0] for name, count in watch.total.items()}
    after = {name: [count, watch.changed.get(name, 0)] for name, count in watch.total.items()}
    production = _Production(watch)
    if problem := _wait(production, before):
        return {"error": problem}
    _say({})
    reads, bad, live_at, limit = 0, list[float](), 0.0, 0.0
    while True:
        found, now = production.read(), time.monotonic()
        reads += 1
        if found not in (before, after):
            bad.append(now)
        if found == after:
            live_at = live_at or now
            if told.is_set():
                break
        elif told.is_set():
            limit = limit or now + SETTLE_SECONDS
            if now > limit:
                return {"error": f"{found} instead of {after}"}
        time.sleep(PAUSE_SECONDS)
    return asdict(Seen(reads, len(bad), bad[-1] - bad[0] if bad else 0.0, live_at))


def _say(words: Mapping[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(words)}\n")
    sys.stdout.flush()


def main() -> None:
    """Watch what each line of standard input says, until the next line, which is empty."""
    while line := sys.stdin.readline():
        told = threading.Event()

        def until_told(told: threading.Event = told) -> None:
            sys.stdin.readline()
            told.set()

        listener = threading.Thread(target=until_told, daemon=True)
        listener.start()
        words = json.loads(line)
        _say(_watch(Watch(**{**words, "aliases": tuple(words["aliases"])}), told))
        listener.join()


if __name__ == "__main__":
    main()
