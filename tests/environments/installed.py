"""Makes what a Tracardi has in a real engine, by the names of a real one, and takes it away."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from environments.elastic import Connection
from environments.naming import Side
from tests.data import load

_OWN = {"0.8.1": "acme", "0.8.2": "acme82"}


@contextmanager
def installed(
    engine: Connection,
    tenant: str,
    version: str = "0.8.1",
    sides: Sequence[Side] = tuple(Side),
    without: Sequence[str] = (),
) -> Iterator[None]:
    """Keep an installation's indices, without documents, for as long as the block lasts.

    `without` are endings of indices that it lacks.
    """
    made: list[str] = []

    def called(name: str) -> str:
        return name.replace(f"{_OWN[version]}.", f"{tenant}.", 1)

    for name, facts in load(f"{version}/aliases.json").items():
        side = Side.PRODUCTION if name.startswith("prod-") else Side.STAGING
        if not name.startswith("static-") and side not in sides:
            continue
        if name.endswith(tuple(without)) and without:
            continue
        body = {
            "settings": {"number_of_shards": 1, "number_of_replicas": 0},
            "aliases": {called(alias): {} for alias in facts["aliases"]},
        }
        params = {"wait_for_active_shards": "0"}
        engine.request("PUT", f"/{called(name)}", params=params, body=body)
        made.append(called(name))
    try:
        yield
    finally:
        for start in range(0, len(made), 30):
            engine.request("DELETE", f"/{','.join(made[start : start + 30])}")
