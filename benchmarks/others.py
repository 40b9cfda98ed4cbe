"""Other ways to copy staging to production: Tracardi's own, `_reindex`, and npm's elasticdump.

All copy one staging set, each to a production set of its own, by the same client as the console.
"""

import shutil
import subprocess
from typing import Any, Final

from benchmarks.data import Configuration, Key
from benchmarks.reader import Seen
from benchmarks.sets import create, timed, write
from devtools.demo import indices
from environments.elastic import Connection
from environments.naming import Naming

SECONDS: Final = 900.0
# More documents a request than the program's own default of 100: it is faster so.
_DUMP_BATCH: Final = 1000


class Source:
    """A staging set that is only copied from."""

    def __init__(
        self, connection: Connection, url: str, naming: Naming, configuration: Configuration
    ) -> None:
        self.connection, self.url, self.naming = connection, url, naming
        self.configuration = configuration
        create(connection, naming)
        write(connection, naming, configuration, configuration.keys, "first")

    @property
    def resources(self) -> list[str]:
        return [resource.name for resource in self.naming.catalogue.promoted]

    def change(self, keys: list[Key], token: str) -> None:
        """Write documents anew, as people do before they deploy."""
        write(self.connection, self.naming, self.configuration, keys, token)


class Tracardi:
    """What Tracardi 0.8.1's own deploy does, request by request (design section 3)."""

    def __init__(self, source: Source, production: Naming) -> None:
        self.source, self.production, self.change = source, production, source.change
        create(source.connection, production)
        keys = source.configuration.keys
        write(source.connection, production, source.configuration, keys, "first")

    def act(self) -> dict[str, float]:
        return {"copy": timed(self._copy)}

    def after(self, _seen: Seen) -> dict[str, float]:
        return {}

    def _copy(self) -> None:
        """Point production at staging; per index delete all, refresh, reindex; point back."""
        self._check()
        self._point(here=False)
        for name in self.source.resources:
            target = self.production.concrete(name)
            self._ask("POST", f"/{target}/_delete_by_query", {"query": {"match_all": {}}})
            self._ask("POST", f"/{target}/_refresh")
            self._ask(
                "POST",
                "/_reindex",
                {
                    "source": {"index": self.source.naming.concrete(name)},
                    "dest": {"index": target},
                },
            )
        self._point(here=True)

    def _check(self) -> None:
        for name in self.source.resources:
            self._ask("HEAD", f"/_alias/{self.production.alias(name)}")

    def _point(self, *, here: bool) -> None:
        self._check()
        actions: list[dict[str, Any]] = []
        for name in self.source.resources:
            alias = self.production.alias(name)
            pair = [self.source.naming.concrete(name), self.production.concrete(name)]
            add, remove = pair[::-1] if here else pair
            actions += [
                {"add": {"index": add, "alias": alias}},
                {"remove": {"index": remove, "alias": alias}},
            ]
        self._ask("POST", "/_aliases", {"actions": actions})

    def _ask(self, method: str, path: str, body: object = None) -> None:
        answer = self.source.connection.request(method, path, body=body, timeout=SECONDS)
        if isinstance(answer, dict) and answer.get("failures"):
            raise RuntimeError(f"{path}: {answer['failures'][0]}")


class Reindex:
    """`_reindex` into new indices, then one swap of the aliases."""

    def __init__(self, source: Source, production: Naming) -> None:
        self.source, self.production, self.change = source, production, source.change
        self._shapes = indices.shapes(production)
        self._number = 0
        self._live: dict[str, str] = {}
        self._old: dict[str, str] = {}
        self._copy()

    def act(self) -> dict[str, float]:
        return {"copy": timed(self._copy)}

    def after(self, _seen: Seen) -> dict[str, float]:
        self.source.connection.request("DELETE", f"/{','.join(self._old.values())}")
        return {}

    def _copy(self) -> None:
        self._number += 1
        made = {
            name: f"{self.production.concrete(name)}.copy-{self._number}"
            for name in self.source.resources
        }
        for name, index in made.items():
            self.source.connection.request("PUT", f"/{index}", body=self._shapes[name])
        self._fill(made)
        actions: list[dict[str, Any]] = []
        for name, index in made.items():
            alias = self.production.alias(name)
            actions.append({"add": {"index": index, "alias": alias}})
            if name in self._live:
                actions.append({"remove": {"index": self._live[name], "alias": alias}})
        self.source.connection.request("POST", "/_aliases", body={"actions": actions})
        self._old, self._live = self._live, made

    def _fill(self, made: dict[str, str]) -> None:
        for name, index in made.items():
            answer = self.source.connection.request(
                "POST",
                "/_reindex",
                params={"refresh": "true"},
                body={
                    "source": {"index": self.source.naming.concrete(name)},
                    "dest": {"index": index},
                },
                timeout=SECONDS,
            )
            if answer["failures"]:
                raise RuntimeError(f"_reindex to {index}: {answer['failures'][0]}")


class Elasticdump(Reindex):
    """npm's elasticdump into new indices, one after the other, then one swap of the aliases."""

    program = shutil.which("elasticdump") or ""

    def _fill(self, made: dict[str, str]) -> None:
        for name, index in made.items():
            done = subprocess.run(  # noqa: S603
                [
                    self.program,
                    f"--input={self.source.url}/{self.source.naming.concrete(name)}",
                    f"--output={self.source.url}/{index}",
                    "--type=data",
                    f"--limit={_DUMP_BATCH}",
                    "--quiet",
                ],
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                raise RuntimeError(f"elasticdump to {index}: {(done.stderr or done.stdout)[-500:]}")
        self.source.connection.request("POST", f"/{','.join(made.values())}/_refresh")
