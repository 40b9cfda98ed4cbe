"""Measures promotions and other ways to copy a configuration, interleaved, on a real engine.

    python -m benchmarks.promotion [--documents N ...] [--repeats 5] [--json]

It starts an Elasticsearch of its own, or uses TEST_ELASTICSEARCH_URL, and a database of its own.
"""

import argparse
import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from benchmarks.data import LARGEST, SHAPES, SMALLEST, Configuration
from benchmarks.report import tables
from devtools.demo.children import Stopped, stop_on_signals
from devtools.demo.state import PROJECT, DemoError
from devtools.elasticsearch.node import NodeError, start

SIZES: Final = (400, 20_000)
MOST_REPEATS: Final = 100
HEAP: Final = "1g"
BAD_INPUT: Final = 2


class BenchmarkError(Exception):
    """It cannot be measured; the text is one line."""


def say(words: str) -> None:
    """Tell the progress, beside the results."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")
    sys.stderr.flush()


@contextmanager
def console() -> Iterator[Path]:
    """Start Django with settings and a database of this run's own, for its children too.

    Yields the folder that has them, and is removed afterwards.
    """
    import django

    with tempfile.TemporaryDirectory(prefix="console-benchmark-") as name:
        folder = Path(name)
        # The project's own `.env` is of a real console.
        empty = folder / "empty.env"
        empty.write_text("")
        os.environ.update(
            ENV_FILE=str(empty),
            SECRET_KEY=secrets.token_urlsafe(50),
            ENCRYPTION_KEYS=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            DATABASE_URL=f"sqlite:///{folder / 'console.sqlite3'}",
            DEBUG="False",
            # Serves the static files where they lie: no other part of a promotion asks for it.
            DEMO="True",
            HTTPS="False",
            ALLOWED_HOSTS="127.0.0.1",
            ALLOWED_TARGETS="*,localhost",
            # A long measurement outlasts a proof, and costs the same without.
            REQUIRE_SECOND_FACTOR="False",
            REAUTHENTICATION_SECONDS="0",
            LOG_LEVEL="WARNING",
            DJANGO_SETTINGS_MODULE="tracardi_console.settings",
        )
        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0)
        try:
            yield folder
        finally:
            connections.close_all()


@contextmanager
def engine(*, in_memory: bool) -> Iterator[tuple[str, bool]]:
    """Yield a real engine's address, and whether it ends with this run."""
    given = os.environ.get("TEST_ELASTICSEARCH_URL", "").strip().rstrip("/")
    if given:
        yield given, False
        return
    os.environ.setdefault("ELASTICSEARCH_HEAP", HEAP)
    with start(in_memory=in_memory) as node:
        yield node.url, True


def measure(documents: int, options: argparse.Namespace) -> Mapping[str, Any]:
    """Measure everything at one size and return it as JSON values."""
    with console() as folder, engine(in_memory=options.in_memory) as (url, own):
        # They need Django's settings.
        from benchmarks.ours import web_server
        from benchmarks.run import Settings, run
        from environments.models import Cluster

        with web_server(folder) as address:
            settings = Settings(
                Configuration.of(documents),
                list(dict.fromkeys(options.changes)),
                options.repeats,
                Cluster.objects.create(name="Benchmark", url=url),
                f"bench-{secrets.token_hex(4)}",
                address,
                say,
            )
            return run(settings, tidy=not own)


def measure_apart(documents: int, options: argparse.Namespace) -> Mapping[str, Any]:
    """Measure one size in a process, engine and database of its own."""
    command = [sys.executable, "-m", "benchmarks.promotion", "--json"]
    command += ["--documents", str(documents), "--repeats", str(options.repeats)]
    command += ["--changes", *options.changes, *(["--in-memory"] if options.in_memory else [])]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)  # noqa: S603
    if done.returncode != 0:
        raise BenchmarkError(f"Measuring {documents:,} documents failed; its words are above.")
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def number(least: int, most: int) -> Callable[[str], int]:
    """Return a type of argument: a whole number within bounds."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            words = f"take a number from {least:,} to {most:,}, not {text!r}"
            raise argparse.ArgumentTypeError(words)
        return int(text)

    return parse


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with an argument."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: error: {message}\n")


def tell(
    measure: Callable[[], dict[str, Any]],
    table: Callable[[dict[str, Any]], str],
    *,
    as_json: bool,
) -> int:
    """Measure, print a table or one JSON object, and return the exit code."""
    stop_on_signals()
    try:
        found = measure()
    except (BenchmarkError, DemoError, NodeError) as error:
        say(str(error))
        return 1
    except Stopped:
        say("Stopped.")
        return 1
    sys.stdout.write(f"{json.dumps(found) if as_json else table(found)}\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the results: tables, or one JSON object."""
    parser = Parser(prog="python -m benchmarks.promotion", description=__doc__)
    parser.add_argument(
        "--documents", type=number(SMALLEST, LARGEST), nargs="+", default=list(SIZES), metavar="N"
    )
    parser.add_argument("--repeats", type=number(1, MOST_REPEATS), default=5)
    parser.add_argument(
        "--changes",
        choices=list(SHAPES),
        nargs="+",
        default=list(SHAPES),
        help=f"what changes before each promotion: {', '.join(SHAPES)}",
        metavar="CHANGE",
    )
    parser.add_argument(
        "--in-memory", action="store_true", help="keep the own engine's data off the disk"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    stop_on_signals()
    try:
        one_size = len(options.documents) == 1
        act = measure if one_size else measure_apart
        runs = [act(size, options) for size in options.documents]
    except (BenchmarkError, DemoError, NodeError) as error:
        say(str(error))
        return 1
    except Stopped:
        say("Stopped.")
        return 1
    if options.json:
        sys.stdout.write(f"{json.dumps(runs[0] if one_size else {'runs': runs})}\n")
    else:
        sys.stdout.write("\n".join(tables(found) for found in runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
