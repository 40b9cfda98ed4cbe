"""Many visits of one production: events, sessions and profiles, written quickly.

They have the fields that dashboards read, as Tracardi 0.8.1 writes them, and its mappings.
"""

import json
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from devtools.demo import indices
from environments.elastic import Connection
from environments.naming import Naming

DAYS: Final = 90
EVENTS_A_SESSION: Final = 6
_SESSIONS_A_PROFILE: Final = 4
_BULK: Final = 5_000
_AT_ONCE: Final = 2
READ: Final = ("event", "session", "profile", "event-source", "flow", "segment", "destination")
_DESTINATIONS: Final = 12
_TYPES: Final = (
    *("page-view", "product-viewed", "basket-item-added", "order-placed", "sign-up"),
    *(f"event-type-{number}" for number in range(15)),
)
_WEIGHTS: Final = (50, 25, 8, 3, 2, *([1] * 15))
_SOURCES: Final = tuple(f"src-{number}" for number in range(8))
_COUNTRIES: Final = tuple(f"Country {number}" for number in range(60))
_CAMPAIGNS: Final = tuple(f"campaign-{number}" for number in range(40))
_PAGES: Final = tuple(f"https://shop.example.com/p/{number}" for number in range(3_000))
_DEVICES: Final = ("desktop", "mobile", "tablet")
_CHANNELS: Final = ("web", "mobile", "mail")


def fill(connection: Connection, naming: Naming, events: int, now: datetime) -> dict[str, int]:
    """Make the indices and write about `events` events of the last `DAYS` days; return the counts.

    Raises:
        RuntimeError: the engine refused a document.
    """
    beginning = (now - timedelta(days=DAYS)).replace(day=1)
    months = sorted({f"{beginning + timedelta(days=n):%Y-%m}" for n in range(DAYS + 31)})
    shapes = indices.shapes(naming)
    for name in READ:
        resource = naming.catalogue.get(name)
        wanted = [naming.partition(name, one) for one in months] if resource.partitioned else []
        for index in wanted or [naming.concrete(name)]:
            settings = {**shapes[name]["settings"], "index.refresh_interval": "-1"}
            body = {**shapes[name], "settings": settings, "aliases": {naming.alias(name): {}}}
            connection.request("PUT", f"/{index}", body=body)
    for number in range(_DESTINATIONS):
        source = {
            "name": f"Destination {number}",
            "enabled": True,
            "on_profile_change_only": False,
            "event_type": {"id": _TYPES[number]},
            "source": {"id": _SOURCES[number % len(_SOURCES)]},
        }
        path = f"/{naming.concrete('destination')}/_doc/dest-{number}"
        connection.request("PUT", path, body=source)
    counts: dict[str, int] = {}
    rest = _lines(naming, events, now, counts)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = []
        while batch := list(islice(rest, _BULK)):
            waiting.append(pool.submit(_send, connection, "".join(batch)))
            if len(waiting) > _AT_ONCE:
                waiting.pop(0).result()
        for one in waiting:
            one.result()
    aliases = ",".join(naming.alias(name) for name in READ)
    connection.request("POST", f"/{aliases}/_refresh", timeout=300)
    return counts


def _send(connection: Connection, body: str) -> None:
    answer = connection.request(
        "POST", "/_bulk", params={"filter_path": "errors"}, body=body, timeout=300
    )
    if answer["errors"]:
        raise RuntimeError("The engine refused a document of the benchmark.")


def _lines(naming: Naming, events: int, now: datetime, counts: dict[str, int]) -> Iterator[str]:
    rng = random.Random("visits")  # noqa: S311
    sessions = max(1, events // EVENTS_A_SESSION)
    profiles = [
        str(uuid.UUID(int=rng.getrandbits(128), version=4))
        for _ in range(max(10, sessions // _SESSIONS_A_PROFILE))
    ]
    # A little before: the clocks of two machines differ.
    end = now.astimezone(UTC).replace(tzinfo=None) - timedelta(seconds=5)
    start = end - timedelta(days=DAYS)

    def line(resource: str, moment: datetime, doc_id: str, source: dict[str, Any]) -> str:
        counts[resource] = counts.get(resource, 0) + 1
        index = naming.partition(resource, f"{moment:%Y-%m}")
        return f'{{"index":{{"_index":"{index}","_id":"{doc_id}"}}}}\n{json.dumps(source)}\n'

    for number, profile in enumerate(profiles):
        moment = start + (end - start) * (number / len(profiles))
        segments = [f"segment-{n}" for n in range(12) if rng.random() < 1 / (n + 2)]
        time = {"insert": moment.isoformat()}
        source = {"id": profile, "ids": [profile], "metadata": {"time": time}, "segments": segments}
        yield line("profile", moment, profile, source)
    for number in range(sessions):
        begun = start + (end - start) * (number / sessions)
        profile = profiles[min(len(profiles) - 1, int(len(profiles) * rng.random() ** 1.5))]
        origin, channel = rng.choice(_SOURCES), rng.choice(_CHANNELS)
        country = _COUNTRIES[min(59, int(rng.expovariate(0.2)))]
        shared: dict[str, Any] = {
            "profile": {"id": profile},
            "device": {"type": rng.choice(_DEVICES), "geo": {"country": {"name": country}}},
            "utm": {"campaign": rng.choice(_CAMPAIGNS), "source": origin}
            if rng.random() < 0.3
            else {},
        }
        session = f"sess-{number}"
        meta: dict[str, Any] = {"time": {"insert": begun.isoformat()}, "channel": channel}
        yield line("session", begun, session, {"id": session, "metadata": meta, **shared})
        for step in range(EVENTS_A_SESSION):
            moment = min(begun + timedelta(seconds=30 * step), end)
            [kind] = rng.choices(_TYPES, _WEIGHTS)
            failed, ran = rng.random() < 0.01, rng.random() < 0.1
            source = {
                "type": kind,
                "source": {"id": origin},
                "session": {"id": session},
                "hit": {"url": _PAGES[min(2_999, int(rng.expovariate(0.01)))]},
                "metadata": {
                    "time": {"insert": moment.isoformat()},
                    "channel": channel,
                    "status": "error" if failed else "processed",
                    "error": failed,
                    "processed_by": {
                        "flows": [f"flow-{rng.randrange(12)}"] if ran else [],
                        "rules": [f"Rule {rng.randrange(12)}"] if ran else [],
                    },
                },
                **shared,
            }
            yield line("event", moment, f"{number}-{step}", source)
