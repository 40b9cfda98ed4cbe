"""Says where the time of one promotion goes: each request to the engine, the database, the rest.

    python -m benchmarks.calls [--documents 400] [--change one] [--repeats 7] [--unlocked]

Without readers, and nothing else is measured.
"""

import logging
import re
import secrets
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from benchmarks.data import LARGEST, SHAPES, SMALLEST, Configuration
from benchmarks.promotion import MOST_REPEATS, Parser, console, engine, number

_ADDRESS: Final = re.compile(r"https?://[^/]+")
_NAMES: Final = re.compile(r"[^/?]*(?:bench-|%2C)[^/?]*")
_MOST_LINES: Final = 40


class Call(NamedTuple):
    """One request or one query."""

    seconds: float
    words: str
    engine: bool


class Part(NamedTuple):
    """One part of one job, and what it called."""

    seconds: float
    calls: list[Call]


class Listener(logging.Handler):
    """Collects the client's own record of each request."""

    def __init__(self, calls: list[Call]) -> None:
        super().__init__(logging.INFO)
        self._calls = calls

    def emit(self, record: logging.LogRecord) -> None:
        args = record.args
        if not isinstance(args, tuple) or len(args) != 4 or not isinstance(args[3], float):
            return
        path = _ADDRESS.sub("", str(args[1])).partition("?")[0]
        self._calls.append(Call(args[3], f"{args[0]} {_NAMES.sub('(names)', path)}", True))


def measure(url: str, documents: int, change: str, repeats: int, *, unlocked: bool) -> str:
    """Do the job again and again, and return for each part the median one's calls in words."""
    from django.db import connection

    from benchmarks.ours import Job, People, Pipeline
    from benchmarks.sets import remove
    from environments.models import Cluster

    calls: list[Call] = []
    parts: dict[str, list[Part]] = defaultdict(list)

    class Recorded(Pipeline):
        @contextmanager
        def timing(self, part: str, seconds: dict[str, float]) -> Iterator[None]:
            first = len(calls)
            with super().timing(part, seconds):
                yield
            parts[part].append(Part(seconds[part], calls[first:]))

    def query(
        execute: Callable[..., Any], sql: str, params: object, many: bool, context: object
    ) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            seconds = time.perf_counter() - started
            calls.append(Call(seconds, " ".join(sql.split()[:3])[:60], False))

    configuration = Configuration.of(documents)
    cluster = Cluster.objects.create(name="Benchmark", url=url)
    tenant = f"bench-{secrets.token_hex(4)}"
    pipeline = Recorded(People(), cluster, tenant, configuration, unlocked=unlocked)
    client = logging.getLogger("elasticsearch")
    client.setLevel(logging.INFO)
    client.propagate = False
    client.addHandler(Listener(calls))
    with connection.execute_wrapper(query):
        for repeat in range(repeats):
            pipeline.change(configuration.changed(change), f"rev{repeat}")
            Job(pipeline).act()
    for environment in (pipeline.staging, pipeline.production):
        remove(pipeline.connection, environment.naming)
    return "\n".join(_told(name, found) for name, found in parts.items())


def _told(name: str, found: Sequence[Part]) -> str:
    part = sorted(found)[len(found) // 2]
    requests = [call for call in part.calls if call.engine]
    queries = [call for call in part.calls if not call.engine]
    asked, stored = (sum(call.seconds for call in some) for some in (requests, queries))
    lines = [
        f"{name}: {_ms(part.seconds)} ms; engine {_ms(asked)} in {len(requests)} requests, "
        f"database {_ms(stored)} in {len(queries)} queries, rest "
        f"{_ms(part.seconds - asked - stored)}"
    ]
    if len(requests) <= _MOST_LINES:
        return "\n".join([*lines, *(f"  {_ms(c.seconds):>9} {c.words}" for c in requests)])
    sums: dict[str, list[float]] = defaultdict(list)
    for call in requests:
        sums[call.words].append(call.seconds)
    for words, many in sorted(sums.items(), key=lambda item: -sum(item[1])):
        lines.append(f"  {_ms(sum(many)):>9} {words}, {len(many)} times")
    return "\n".join(lines)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print what was called."""
    parser = Parser(prog="python -m benchmarks.calls", description=__doc__)
    parser.add_argument("--documents", type=number(SMALLEST, LARGEST), default=400, metavar="N")
    parser.add_argument("--change", choices=list(SHAPES), default="one")
    parser.add_argument("--repeats", type=number(1, MOST_REPEATS), default=7)
    parser.add_argument("--unlocked", action="store_true")
    parser.add_argument("--in-memory", action="store_true")
    options = parser.parse_args(arguments)
    with console(), engine(in_memory=options.in_memory) as (url, _own):
        told = measure(
            url, options.documents, options.change, options.repeats, unlocked=options.unlocked
        )
    sys.stdout.write(f"{told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
