"""The demo's folder: its settings, its passwords, and the marker of what it made in a cluster.

Only the standard library: it runs before Django has its settings.
"""

import base64
import fcntl
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT_FOLDER = PROJECT / ".demo"
Say = Callable[[str], None]


class DemoError(Exception):
    """The demo cannot go on; the text is one line that says what to do."""


def say(words: str) -> None:
    """Print one line at once, also into a pipe."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


@contextmanager
def timed(words: str, tell: Say) -> Iterator[list[str]]:
    """Tell what the block did and how long it took; what it appends to the list is told too."""
    started, details = time.monotonic(), list[str]()
    yield details
    seconds = time.monotonic() - started
    tell(f"  {seconds:6.2f} s  {words}{''.join(f' ({detail})' for detail in details)}")


@dataclass(frozen=True)
class Marker:
    """What the demo made, by exact name, noted before it was made.

    `indices` has staging's and production's, the shared ones included; `done` says that all of it
    is there and filled.
    """

    tenant: str
    cluster_uuid: str
    own_node: bool
    months: tuple[str, ...]
    indices: tuple[str, ...]
    templates: tuple[str, ...]
    done: bool = False

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        facts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return cls(**facts)


@dataclass(frozen=True)
class State:
    """The files of one demo."""

    folder: Path = DEFAULT_FOLDER

    @property
    def environment_file(self) -> Path:
        return self.folder / "demo.env"

    @property
    def database(self) -> Path:
        return self.folder / "console.sqlite3"

    @property
    def engine_data(self) -> Path:
        """Where the demo's own Elasticsearch keeps its data."""
        return self.folder / "elasticsearch"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    @property
    def _marker_file(self) -> Path:
        return self.folder / "marker.json"

    @property
    def _accounts_file(self) -> Path:
        return self.folder / "accounts.json"

    def files(self) -> list[Path]:
        """Return all that a reset removes, but the own Elasticsearch's data."""
        name = self.database.name
        return [
            *(self.folder / f"{name}{end}" for end in ("", "-wal", "-shm", "-journal")),
            self.environment_file,
            self._accounts_file,
            self.log("web"),
            self.log("stand-in"),
            self.log("worker"),
            # Last: while it is there, what it names is not forgotten.
            self._marker_file,
        ]

    def marker(self) -> Marker | None:
        """Return what was made, or None where nothing was."""
        raw = _read(self._marker_file)
        try:
            return Marker.from_dict(raw) if raw is not None else None
        except TypeError as error:
            raise _damaged(self._marker_file) from error

    def keep_marker(self, marker: Marker) -> None:
        """Write the marker; a crash leaves the old one or the new one."""
        _write(self._marker_file, json.dumps(asdict(marker), indent=1))

    def passwords(self) -> dict[str, str]:
        """Return the accounts' passwords by user name."""
        return _read(self._accounts_file) or {}

    def keep_passwords(self, passwords: dict[str, str]) -> None:
        _write(self._accounts_file, json.dumps(passwords, indent=1))

    def settings(self) -> dict[str, str]:
        """Return the console's settings, with secrets that are made once and kept."""
        kept = {}
        if self.environment_file.is_file():
            lines = self.environment_file.read_text().splitlines()
            kept = dict(line.split("=", 1) for line in lines if "=" in line)
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        wanted = {
            "SECRET_KEY": kept.get("SECRET_KEY") or secrets.token_urlsafe(50),
            "ENCRYPTION_KEYS": kept.get("ENCRYPTION_KEYS") or key,
            "DEBUG": "False",
            "DEMO": "True",
            "HTTPS": "False",
            # One signs in three times in the first ten minutes; a banner says so on each page.
            "REQUIRE_SECOND_FACTOR": "False",
            "REAUTHENTICATION_SECONDS": "0",
            # Its engine and its stand-in run on this machine, or where ELASTICSEARCH_URL says.
            "ALLOWED_TARGETS": "*,localhost",
            # Anew each time: the folder may have been moved.
            "DATABASE_URL": f"sqlite:///{quote(str(self.database.resolve()))}",
        }
        if wanted != kept:
            lines = [f"{name}={value}\n" for name, value in wanted.items()]
            _write(self.environment_file, "".join(lines))
        return wanted

    def configure(self) -> None:
        """Start Django with the demo's settings, for this process and its children.

        They win over the caller's variables: those may belong to a real console.
        """
        import django

        os.environ.update(self.settings())
        os.environ["ENV_FILE"] = str(self.environment_file.resolve())
        os.environ["DJANGO_SETTINGS_MODULE"] = "tracardi_console.settings"
        os.environ.setdefault("LOG_LEVEL", "WARNING")
        django.setup()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other demo command off this folder.

        Raises:
            DemoError: one is running.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DemoError(
                    f"A demo is running in {self.folder.name}: stop it with Ctrl-C, then try again."
                ) from error
            yield


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise _damaged(path) from error
    return found


def _damaged(path: Path) -> DemoError:
    return DemoError(
        f"{path.name} of the demo is damaged, so it is not known what the demo made: "
        f"restore it, or remove the folder {path.parent.name} by hand."
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    # Readable by its owner from the first byte on.
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
    fresh.replace(path)
