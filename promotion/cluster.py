"""A real Elasticsearch or OpenSearch as the promotion engine sees it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import msgspec
from django.conf import settings

from environments.elastic import (
    AnswerTooLargeError,
    Connection,
    ForbiddenTarget,
    Refused,
    Unauthorised,
    Unreachable,
)
from environments.engines import engine_of
from environments.models import Cluster
from promotion.again import again
from promotion.answers import flat, is_flooded, marks_of, state_of
from promotion.engine.errors import (
    AccessDenied,
    MachineryError,
    OutcomeUnknown,
    RuleBroken,
    Temporary,
)
from promotion.engine.ports import Capacity, IndexState, ShardMarks, digest

PAGE: Final = 500
UNAVAILABLE: Final = 503
# The engine's number of the block that stands until a node has read its own state back.
NOT_RECOVERED: Final = "1"
PATH_BYTES: Final = 3000
# A page that was too large is asked for in one so many times smaller.
FEWER: Final = 8
INCOMPLETE: Final = (
    "A read did not reach every shard. Nothing was changed. Look at the cluster's health, then try "
    "again."
)
CAPACITY_SETTINGS: Final = (
    "*.cluster.routing.allocation.disk.threshold_enabled,"
    "*.cluster.routing.allocation.disk.watermark.flood_stage,*.cluster.max_shards_per_node,"
    "*.cluster.routing.allocation.total_shards_limit"
)


class _Hit(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    # Sliced out of the answer as it is: the bytes that were indexed, whatever numbers they hold.
    source: msgspec.Raw = msgspec.field(name="_source")
    sort: list[int] = []


class _Hits(msgspec.Struct):
    hits: list[_Hit]


class _Page(msgspec.Struct):
    hits: _Hits
    timed_out: bool
    shards: dict[str, Any] = msgspec.field(name="_shards")


@contextmanager
def translated() -> Iterator[None]:
    """Turn a connection's errors into the engine's, by what they mean for a promotion."""
    try:
        yield
    except Unreachable as error:
        raise OutcomeUnknown(str(error)) from error
    except (Unauthorised, ForbiddenTarget) as error:
        raise AccessDenied(str(error)) from error
    except Refused as error:
        kind = Temporary if error.temporary else MachineryError
        raise kind(str(error)) from error
    except AnswerTooLargeError as error:
        raise MachineryError(str(error)) from error


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
        self._about: dict[str, Any] = {}

    def _ask(self, method: str, path: str, **rest: Any) -> Any:
        """Send what may be sent twice, again within bounds, and return the decoded answer."""
        with translated():
            return again(lambda: self.connection.request(method, path, **rest))

    def uuid(self) -> str:
        """Return the cluster's own id. Asked first, and once: whoever waits is told at once."""
        with translated():
            self._about = self.connection.request("GET", "/")
        return str(self._about["cluster_uuid"])

    def same_uuid(self, cluster: Cluster, unchanged: str) -> str:
        """Return the cluster's own id, once it is sure to be the one that is recorded, if any is.

        Raises:
            RuleBroken: it is another one; `unchanged` says what was therefore not done.
        """
        uuid = self.uuid()
        if cluster.uuid and uuid != cluster.uuid:
            raise RuleBroken(
                f"Behind the address of {cluster} is another cluster than before. {unchanged} "
                "Correct the address."
            )
        return uuid

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
        # Who made sure of the cluster's id has asked for it already.
        engine = engine_of(self._about or self._ask("GET", "/"))
        settings: dict[str, Any] = {}
        for level in ("defaults", "persistent", "transient"):
            settings |= flat(raw.get(level, {}))
        flooded = [disk["node"] for disk in disks if is_flooded(disk, settings)]
        limit = settings.get("cluster.max_shards_per_node")
        free = None
        if limit is not None:
            most = int(limit) * health["number_of_data_nodes"]
            # OpenSearch alone has a limit of the whole cluster too; -1 is none (2.19.1).
            whole = int(settings.get("cluster.routing.allocation.total_shards_limit", -1))
            most = most if whole < 0 else min(most, whole)
            free = max(0, most - health["active_shards"] - health["unassigned_shards"])
        return Capacity(str(health["status"]), tuple(flooded), free, engine)

    def states(self, names: Sequence[str]) -> dict[str, IndexState]:
        """See `Reader.states`; one request for as many names as a path holds."""
        found: dict[str, IndexState] = {}

        def ask(part: str) -> Any:
            answer = self.connection.request(
                "GET",
                f"/_cluster/state/metadata,blocks/{part}",
                params={
                    "ignore_unavailable": "true",
                    "allow_no_indices": "true",
                    "flat_settings": "true",
                    "filter_path": "metadata.indices,blocks.global",
                },
            )
            if _has_just_started(answer):
                raise _incomplete(INCOMPLETE)
            return answer

        for part in batches(names):
            with translated():
                answer = again(partial(ask, part))
            indices = answer.get("metadata", {}).get("indices", {})
            found |= {name: state_of(name, facts) for name, facts in indices.items()}
        return found

    def marks(self, names: Sequence[str]) -> dict[str, ShardMarks]:
        """See `Reader.marks`.

        Raises:
            MachineryError: a primary of one of them is not started, and was not in time.
        """
        with translated():
            return again(lambda: self._marks(names))

    def _marks(self, names: Sequence[str]) -> dict[str, ShardMarks]:
        found: dict[str, ShardMarks] = {}
        failed = 0
        for part in batches(names):
            path, params = f"/{part}/_stats/docs", {"level": "shards"}
            answer = self.connection.request("GET", path, params=params)
            found |= {name: marks_of(facts["shards"]) for name, facts in answer["indices"].items()}
            failed += answer["_shards"]["failed"]
        absent = [name for name in names if name not in found]
        if absent or failed:
            raise _incomplete(
                f"No started primary of {', '.join(absent) or 'an index'}. Nothing was changed. "
                "Wait until the cluster is yellow or green."
            )
        return found

    def glance(self, names: Sequence[str]) -> str:
        """See `Reader.glance`."""
        with translated():
            try:
                return digest(self._written(names, {}))
            except Refused as error:
                if error.missing:
                    return ""
                raise

    def written(self, names: Sequence[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return the UUID and the sequence numbers of the indices behind names that are there.

        One request for as many names as a path holds.
        """
        with translated():
            return self._written(names, {"ignore_unavailable": "true"})

    def _written(
        self, names: Sequence[str], params: Mapping[str, str]
    ) -> dict[str, tuple[str, tuple[int, ...]]]:
        found: dict[str, tuple[str, tuple[int, ...]]] = {}
        for part in batches(names):
            ask = partial(self.connection.request, "GET", f"/{part}/_stats/docs")
            answer = again(partial(ask, params={"level": "shards", **params}))
            for name, facts in answer["indices"].items():
                found[name] = (facts["uuid"], marks_of(facts["shards"]).max_seq_no)
        return found

    def refresh(self, names: Sequence[str]) -> None:
        """See `Reader.refresh`."""

        def send(part: str) -> None:
            try:
                answer = self.connection.request("POST", f"/{part}/_refresh")
            except Refused as error:
                # Asked of a node that has just started, a refresh alone says "no such index".
                if error.missing and self._is_starting():
                    raise _incomplete(INCOMPLETE) from error
                raise
            if answer["_shards"]["failed"]:
                raise _incomplete("A refresh failed on a shard. Nothing was changed. Try again.")

        for part in batches(names):
            with translated():
                again(partial(send, part))

    def _is_starting(self) -> bool:
        path, params = "/_cluster/state/blocks", {"filter_path": "blocks.global"}
        return _has_just_started(self.connection.request("GET", path, params=params))

    def count(self, index: str) -> int:
        """See `Reader.count`."""
        path = f"/{quote(index)}/_search"
        answer = self._ask("POST", path, body={"size": 0, "track_total_hits": True})
        if answer["timed_out"] or answer["_shards"]["failed"]:
            raise MachineryError(INCOMPLETE)
        return int(answer["hits"]["total"]["value"])

    def find(self, index: str, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """See `Reader.find`; holds one page in memory."""
        start, size = 0, PAGE
        while start < len(ids):
            part = list(ids[start : start + size])
            query = {"size": size, "sort": ["_doc"], "query": {"ids": {"values": part}}}
            page, size = self._page(index, query, None, size)
            if page is not None:
                start += len(part)
                yield from ((hit.id, bytes(hit.source)) for hit in page.hits.hits)

    def read(self, index: str, *, above: int | None = None) -> Iterator[tuple[str, bytes]]:
        """See `Reader.read`; holds one page in memory, of LARGEST_ANSWER_BYTES at most.

        By sequence number, which is one document's alone within its shard: what is written
        meanwhile moves to the end, so no document is missed. It was measured on the three engines
        that searches sort by it.
        """
        for hit, shards in self._in_order(index, above, None):
            if shards > 1:
                # A number means another document in each shard.
                for shard in range(shards):
                    yield from (
                        (one.id, bytes(one.source))
                        for one, _ in self._in_order(index, above, f"_shards:{shard}")
                    )
                return
            yield hit.id, bytes(hit.source)

    def _in_order(
        self, index: str, above: int | None, preference: str | None
    ) -> Iterator[tuple[_Hit, int]]:
        """Yield the documents of the shards that are preferred, and the number of shards."""
        after, size = -1 if above is None else above, PAGE
        while True:
            query = {
                "size": size,
                "sort": [{"_seq_no": "asc"}],
                "query": {"range": {"_seq_no": {"gt": after}}},
            }
            page, smaller = self._page(index, query, preference, size)
            if page is None:
                size = smaller
                continue
            shards = int(page.shards["total"])
            yield from ((hit, shards) for hit in page.hits.hits)
            if len(page.hits.hits) < size:
                return
            (after,) = page.hits.hits[-1].sort
            size = smaller

    def _page(
        self, index: str, body: object, preference: str | None, size: int
    ) -> tuple[_Page | None, int]:
        """Ask for a page of `size` documents; return it, and the size of the next one.

        None where it was too large: it is to be asked for again, in that smaller size.
        """
        path = f"/{quote(index)}/_search"
        params = {"preference": preference} if preference is not None else None
        # One document that is too large is told by its name, further up.
        ask = self.connection.bounded if size > 1 else self.connection.verbatim

        def send() -> tuple[_Page, int]:
            try:
                text = ask("POST", path, params=params, body=body)
            except Refused as error:
                # The engine has no memory for it: fewer documents need less.
                if size > 1 and error.short_of_memory:
                    raise AnswerTooLargeError(str(error)) from error
                raise
            page = msgspec.json.decode(text, type=_Page)
            if page.timed_out or page.shards["failed"]:
                raise _incomplete(INCOMPLETE)
            return page, len(text)

        with translated():
            try:
                page, length = again(send)
            except AnswerTooLargeError:
                if size == 1:
                    raise
                return None, max(1, size // FEWER)
        each = length // max(1, len(page.hits.hits)) + 1
        return page, min(PAGE, max(1, settings.LARGEST_ANSWER_BYTES // 4 // each))


def _incomplete(message: str) -> Refused:
    """Return what an answer without some shard means: those of a node that starts come in time."""
    return Refused(message, UNAVAILABLE, "", "")


def _has_just_started(state: Mapping[str, Any]) -> bool:
    """Answer whether a node has not read its own state back: it answers as if it held nothing."""
    return NOT_RECOVERED in state.get("blocks", {}).get("global", {})
