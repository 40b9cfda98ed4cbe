"""A real Elasticsearch or OpenSearch as the promotion engine sees it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import msgspec

from environments.elastic import (
    Connection,
    ElasticError,
    Refused,
    Unauthorised,
    Unreachable,
)
from promotion.again import again
from promotion.engine.errors import AccessDenied, MachineryError, OutcomeUnknown, Temporary
from promotion.engine.ports import Capacity, IndexState, ShardMarks, digest

PAGE: Final = 500
PATH_BYTES: Final = 3000
NEXT_PAGE: Final = "/_search/scroll"
INCOMPLETE: Final = (
    "A read did not reach every shard. Nothing was changed. Look at the cluster's health, then try "
    "again."
)
CAPACITY_SETTINGS: Final = (
    "*.cluster.routing.allocation.disk.threshold_enabled,"
    "*.cluster.routing.allocation.disk.watermark.flood_stage,*.cluster.max_shards_per_node"
)
_BYTES: Final = {"kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4, "pb": 1024**5}
# They differ between equal indices, or move without a change of meaning.
_VOLATILE: Final = (
    "index.blocks.",
    "index.uuid",
    "index.creation_date",
    "index.version.",
    "index.provided_name",
    "index.resize.",
    "index.routing.allocation.initial_recovery.",
    "index.history.uuid",
)


class _Hit(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    # Sliced out of the answer as it is: the bytes that were indexed, whatever numbers they hold.
    source: msgspec.Raw = msgspec.field(name="_source")


class _Hits(msgspec.Struct):
    hits: list[_Hit]


class _Page(msgspec.Struct):
    hits: _Hits
    timed_out: bool
    shards: dict[str, Any] = msgspec.field(name="_shards")
    scroll_id: str = msgspec.field(name="_scroll_id", default="")


@contextmanager
def translated() -> Iterator[None]:
    """Turn a connection's errors into the engine's, by what they mean for a promotion."""
    try:
        yield
    except Unreachable as error:
        raise OutcomeUnknown(str(error)) from error
    except Unauthorised as error:
        raise AccessDenied(str(error)) from error
    except Refused as error:
        kind = Temporary if error.temporary else MachineryError
        raise kind(str(error)) from error


def batches(names: Sequence[str]) -> Iterator[str]:
    """Yield names as parts of a path, short enough for an engine's request line of 4,096 bytes."""
    part: list[str] = []
    size = 0
    for name in (quote(one, safe="*") for one in names):
        if part and size + len(name) > PATH_BYTES:
            yield ",".join(part)
            part, size = [], 0
        part.append(name)
        size += len(name) + 1
    if part:
        yield ",".join(part)


class ClusterReader:
    """Reads one cluster; implements `promotion.engine.ports.Reader`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def _ask(self, method: str, path: str, **rest: Any) -> Any:
        """Send what may be sent twice, again within bounds, and return the decoded answer."""
        with translated():
            return again(lambda: self.connection.request(method, path, **rest))

    def uuid(self) -> str:
        """Return the cluster's own id. Asked first, and once: whoever waits is told at once."""
        with translated():
            return str(self.connection.request("GET", "/")["cluster_uuid"])

    def health(self) -> str:
        """Return the cluster's health: green, yellow or red."""
        return str(self._ask("GET", "/_cluster/health")["status"])

    def capacity(self) -> Capacity:
        """Return what room the cluster has, by its own settings."""
        raw = self._ask(
            "GET",
            "/_cluster/settings",
            params={"include_defaults": "true", "filter_path": CAPACITY_SETTINGS},
        )
        disks = self._ask("GET", "/_cat/allocation", params={"format": "json", "bytes": "b"})
        health = self._ask("GET", "/_cluster/health")
        settings: dict[str, Any] = {}
        for level in ("defaults", "persistent", "transient"):
            settings |= _flat(raw.get(level, {}))
        flooded = [disk["node"] for disk in disks if _is_flooded(disk, settings)]
        limit = settings.get("cluster.max_shards_per_node")
        free = None
        if limit is not None:
            most = int(limit) * health["number_of_data_nodes"]
            free = max(0, most - health["active_shards"] - health["unassigned_shards"])
        return Capacity(str(health["status"]), tuple(flooded), free)

    def states(self, names: Sequence[str]) -> dict[str, IndexState]:
        """See `Reader.states`; one request for as many names as a path holds."""
        found: dict[str, IndexState] = {}
        for part in batches(names):
            answer = self._ask(
                "GET",
                f"/_cluster/state/metadata/{part}",
                params={
                    "ignore_unavailable": "true",
                    "allow_no_indices": "true",
                    "flat_settings": "true",
                    "filter_path": "metadata.indices",
                },
            )
            indices = answer.get("metadata", {}).get("indices", {})
            found |= {name: _state(name, facts) for name, facts in indices.items()}
        return found

    def marks(self, names: Sequence[str]) -> dict[str, ShardMarks]:
        """See `Reader.marks`.

        Raises:
            MachineryError: a primary of one of them is not started.
        """
        found: dict[str, ShardMarks] = {}
        failed = 0
        for part in batches(names):
            answer = self._ask("GET", f"/{part}/_stats/docs", params={"level": "shards"})
            found |= {name: _marks(facts["shards"]) for name, facts in answer["indices"].items()}
            failed += answer["_shards"]["failed"]
        absent = [name for name in names if name not in found]
        if absent or failed:
            raise MachineryError(
                f"No started primary of {', '.join(absent) or 'an index'}. Nothing was changed. "
                "Wait until the cluster is yellow or green."
            )
        return found

    def glance(self, names: Sequence[str]) -> str:
        """See `Reader.glance`."""
        seen: dict[str, Any] = {}
        for part in batches(names):
            with translated():
                try:
                    answer = again(
                        partial(
                            self.connection.request,
                            "GET",
                            f"/{part}/_stats/docs",
                            params={"level": "shards"},
                        )
                    )
                except Refused as error:
                    if error.missing:
                        return ""
                    raise
            if answer["_shards"]["failed"]:
                return ""
            for name, facts in answer["indices"].items():
                seen[name] = [facts["uuid"], _marks(facts["shards"]).max_seq_no]
        return digest(seen)

    def refresh(self, names: Sequence[str]) -> None:
        """See `Reader.refresh`."""
        for part in batches(names):
            answer = self._ask("POST", f"/{part}/_refresh")
            if answer["_shards"]["failed"]:
                raise MachineryError("A refresh failed on a shard. Nothing was changed. Try again.")

    def count(self, index: str) -> int:
        """See `Reader.count`."""
        path = f"/{quote(index)}/_search"
        answer = self._ask("POST", path, body={"size": 0, "track_total_hits": True})
        if answer["timed_out"] or answer["_shards"]["failed"]:
            raise MachineryError(INCOMPLETE)
        return int(answer["hits"]["total"]["value"])

    def find(self, index: str, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """See `Reader.find`; holds one page of PAGE documents in memory."""
        for start in range(0, len(ids), PAGE):
            part = list(ids[start : start + PAGE])
            query = {"size": PAGE, "sort": ["_doc"], "query": {"ids": {"values": part}}}
            for hit in self._page(f"/{quote(index)}/_search", query, {}).hits.hits:
                yield hit.id, bytes(hit.source)

    def read(self, index: str, *, above: int | None = None) -> Iterator[tuple[str, bytes]]:
        """See `Reader.read`; holds one page of PAGE documents in memory."""
        path = f"/{quote(index)}/_search"
        which: dict[str, Any] = {"match_all": {}}
        if above is not None:
            which = {"range": {"_seq_no": {"gt": above}}}
        query = {"size": PAGE, "sort": ["_doc"], "query": which}
        page = self._page(path, query, {})
        if len(page.hits.hits) < PAGE:
            # Most are this small, and need no scroll to be kept and cleared.
            for hit in page.hits.hits:
                yield hit.id, bytes(hit.source)
            return
        page = self._page(path, query, {"scroll": "2m"})
        try:
            while page.hits.hits:
                for hit in page.hits.hits:
                    yield hit.id, bytes(hit.source)
                page = self._page(NEXT_PAGE, {"scroll": "2m", "scroll_id": page.scroll_id}, {})
        finally:
            # Gone with its index, where a reader stopped early because of what it found.
            with suppress(ElasticError):
                self.connection.request("DELETE", NEXT_PAGE, body={"scroll_id": page.scroll_id})

    def _page(self, path: str, body: object, params: Mapping[str, str]) -> _Page:
        def send() -> str:
            return self.connection.verbatim("POST", path, params=params, body=body)

        with translated():
            # An answer that was lost has moved a scroll on already.
            text = send() if path == NEXT_PAGE else again(send)
        page = msgspec.json.decode(text, type=_Page)
        if page.timed_out or page.shards["failed"]:
            raise MachineryError(INCOMPLETE)
        return page


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = value
    return found


def _is_flooded(disk: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    if settings.get("cluster.routing.allocation.disk.threshold_enabled") == "false":
        return False
    # A row for shards without a node has no disk.
    total, free = disk.get("disk.total"), disk.get("disk.avail")
    if total is None or free is None:
        return False
    mark = str(settings.get("cluster.routing.allocation.disk.watermark.flood_stage", "95%"))
    if mark.endswith("%"):
        return int(free) < int(total) * (1 - float(mark[:-1]) / 100)
    if (ratio := _number(mark)) is not None:
        return int(free) < int(total) * (1 - ratio)
    unit = _BYTES.get(mark.lstrip("0123456789.").lower(), 1)
    return int(free) < float(mark.rstrip("abcdefghijklmnopqrstuvwxyzKMGTPB")) * unit


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _state(name: str, facts: Mapping[str, Any]) -> IndexState:
    settings = facts["settings"]
    lasting = {k: v for k, v in settings.items() if not k.startswith(_VOLATILE)}
    mapping = facts["mappings"].get("_doc", {})
    return IndexState(
        name=name,
        uuid=settings["index.uuid"],
        aliases=tuple(sorted(facts["aliases"])),
        mapping_version=facts["mapping_version"],
        mapping=mapping,
        settings=lasting,
        settings_digest=digest(lasting),
        write_blocked=settings.get("index.blocks.write") == "true",
    )


def _marks(shards: Mapping[str, Any]) -> ShardMarks:
    primaries = [
        copy["seq_no"]
        for number in sorted(shards, key=int)
        for copy in shards[number]
        if copy["routing"]["primary"]
    ]
    return ShardMarks(
        tuple(seq["max_seq_no"] for seq in primaries),
        # What not every copy in sync has yet could still be lost, and its number be used again.
        tuple(min(seq["local_checkpoint"], seq["global_checkpoint"]) for seq in primaries),
    )
