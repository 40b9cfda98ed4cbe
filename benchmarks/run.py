"""One run at one size: all ways in turn, in another order each time."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks import ours, sets
from benchmarks.data import SHAPES, Configuration, Key, by_storage, has_token
from benchmarks.others import Elasticdump, Reindex, Source, Tracardi
from benchmarks.reader import Reader, Seen, Watch
from benchmarks.report import Results
from environments.catalogue import catalogue_for
from environments.elastic import connect
from environments.models import Cluster
from environments.naming import Naming, Side


class Way(Protocol):
    """One way to bring a change from staging to production. `production` is what readers read."""

    production: Naming

    def change(self, keys: list[Key], token: str) -> None:
        """Write documents of staging anew, as the change of that token."""

    def act(self) -> dict[str, float]:
        """Do it, and return the seconds of its parts."""

    def after(self, seen: Seen) -> dict[str, float]:
        """Tidy up, and return the seconds that only a reader knows."""


@dataclass(frozen=True)
class Settings:
    """What one run measures, and with what. `address` is the web server's host and port."""

    configuration: Configuration
    shapes: Sequence[str]
    repeats: int
    cluster: Cluster
    prefix: str
    address: str
    say: Callable[[str], None]


class Run:
    """The sets of one run, under tenants that start with its prefix."""

    def __init__(self, settings: Settings, reader: Reader) -> None:
        self._settings, self._reader = settings, reader
        self._connection = connect(settings.cluster)
        self._keys = {shape: settings.configuration.changed(shape) for shape in settings.shapes}
        self._sides: list[Naming] = []
        self._tokens = 0
        self.results = Results(settings.configuration.counts, settings.repeats)
        self.results.changed = {shape: len(keys) for shape, keys in self._keys.items()}

    def measure(self) -> None:
        """Make the sets and measure."""
        say, repeats = self._settings.say, self._settings.repeats
        say("Making the sets")
        people = ours.People()
        ways = deque([*self._others().items(), *self._ours(people).items()])
        if repeats > 1:
            say("Warming up")
            for name, way in ways:
                self._turn(name, way, self._settings.shapes[0])
            self.results.samples.clear()
        for repeat in range(repeats):
            self._first_capture(people, repeat)
            for shape in self._settings.shapes:
                say(f"Repeat {repeat + 1} of {repeats}: {SHAPES[shape]}")
                for name, way in ways:
                    # They copy everything: where one document changed matters to the rest alone.
                    if shape != "largest" or name not in {"reindex", "elasticdump"}:
                        self._turn(name, way, shape)
                ways.rotate(1)

    def remove(self) -> None:
        """Delete everything that was made in the engine."""
        for naming in self._sides:
            sets.remove(self._connection, naming)

    def _naming(self, name: str, side: Side) -> Naming:
        naming = Naming(catalogue_for(ours.VERSION), self._tenant(name), side)
        # Before anything is made: what is interrupted is removed too.
        self._sides.append(naming)
        return naming

    def _tenant(self, name: str) -> str:
        return f"{self._settings.prefix}-{name}"

    def _others(self) -> dict[str, Way]:
        source = Source(
            self._connection,
            self._settings.cluster.url,
            self._naming("other", Side.STAGING),
            self._settings.configuration,
        )
        made: dict[str, Way] = {
            "tracardi": Tracardi(source, self._naming("t", Side.PRODUCTION)),
            "reindex": Reindex(source, self._naming("x", Side.PRODUCTION)),
        }
        if Elasticdump.program:
            made["elasticdump"] = Elasticdump(source, self._naming("e", Side.PRODUCTION))
        else:
            self.results.left_out.append("elasticdump, which is not on PATH")
        return made

    def _ours(self, people: ours.People) -> dict[str, Way]:
        def pipeline(name: str, *, unlocked: bool) -> ours.Pipeline:
            for side in Side:
                self._naming(name, side)
            return ours.Pipeline(
                people,
                self._settings.cluster,
                self._tenant(name),
                self._settings.configuration,
                unlocked=unlocked,
            )

        locked = pipeline("l", unlocked=False)
        return {
            "locked": ours.Job(locked),
            "click": ours.Click(locked, self._settings.address),
            "unlocked": ours.Job(pipeline("u", unlocked=True)),
        }

    def _first_capture(self, people: ours.People, repeat: int) -> None:
        naming = self._naming(f"f{repeat}", Side.STAGING)
        fresh = ours.environment(people, self._settings.cluster, naming.tenant, Side.STAGING)
        sets.create(self._connection, naming)
        # Documents of this repeat alone: none is kept by the console already.
        configuration = self._settings.configuration
        sets.write(self._connection, naming, configuration, configuration.keys, f"fresh{repeat}")
        self.results.add("capture", "fresh", ours.first_capture(people, fresh))
        sets.remove(self._connection, naming)

    def _turn(self, name: str, way: Way, shape: str) -> None:
        self._tokens += 1
        token, keys = f"rev{self._tokens}", self._keys[shape]
        way.change(keys, token)
        with self._reader.watching(self._watch(way.production, keys, token)) as seen:
            seconds = way.act()
        self.results.saw(name, shape, seen[0])
        self.results.add(name, shape, seconds | way.after(seen[0]))

    def _watch(self, production: Naming, keys: list[Key], token: str) -> Watch:
        return Watch(
            self._settings.cluster.url,
            tuple(production.alias(resource.name) for resource in production.catalogue.promoted),
            has_token(token),
            by_storage(production, self._settings.configuration.keys),
            by_storage(production, keys),
        )


def run(settings: Settings, *, tidy: bool) -> Mapping[str, Any]:
    """Measure everything at one size; `tidy` removes what was made in the engine."""
    with Reader() as reader:
        made = Run(settings, reader)
        try:
            made.measure()
        finally:
            if tidy:
                made.remove()
    return made.results.to_dict()
