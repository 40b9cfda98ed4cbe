"""Changes to a real cluster; implements `promotion.engine.ports.Writer`."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final
from urllib.parse import quote, unquote

from environments.documents import canonical
from environments.elastic import Connection, Refused, Unreachable
from environments.naming import LEASE_INDEX
from promotion.again import again, is_busy
from promotion.bulk import BULK_DOCUMENTS, bulks, on_one_line, refusal
from promotion.cluster import ClusterReader, batches, translated
from promotion.engine.errors import Conflict, MachineryError, OutcomeUnknown
from promotion.engine.lease import LeaseState, Version
from promotion.engine.ports import AliasAction, IndexState

MARKER_ID: Final = "facts"
START_SECONDS: Final = 25
TOO_BUSY: Final = 429
VERSION_CONFLICT: Final = "version_conflict_engine_exception"
NOT_STARTED: Final = (
    "The cluster did not start a new index in time. Nothing was switched. "
    "Look at the cluster's health, then try again."
)
# Above any template that somebody else wrote for the same name.
HIGHEST: Final = 2_000_000_000


class ClusterWriter(ClusterReader):
    """Reads and changes one cluster.

    What may be sent twice is, within bounds; the switch is sent once, whatever happens.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        # Asked right before each change, at a second attempt too; raises where the claim that this
        # work is done under may be another's by now.
        self.fence: Callable[[], None] = _no_fence

    def _send(self, method: str, path: str, **rest: Any) -> Any:
        """Send one request that changes the cluster, once."""
        self.fence()
        return self.connection.request(method, path, **rest)

    def _change(self, method: str, path: str, **rest: Any) -> Any:
        """Send a change that may be sent twice, again within bounds; return the decoded answer."""
        with translated():
            return again(lambda: self._send(method, path, **rest))

    def template_for(self, name: str) -> dict[str, Any]:
        """See `Writer.template_for`."""
        answer = self._ask("POST", f"/_index_template/_simulate_index/{quote(name)}")
        template = answer.get("template") or {}
        return {part: value for part, value in template.items() if value}

    def put_template(self, name: str, like: IndexState, index: str) -> None:
        """See `Writer.put_template`."""
        template = {
            "settings": {**like.settings, "index.blocks.write": "true"},
            "mappings": like.mapping,
        }
        body = {"index_patterns": [index], "priority": HIGHEST, "template": template}
        self._change("PUT", f"/_index_template/{quote(name)}", body=body)

    def delete_template(self, name: str) -> None:
        """See `Writer.delete_template`."""
        with translated():
            try:
                again(lambda: self._send("DELETE", f"/_index_template/{quote(name)}"))
            except Refused as error:
                if not error.missing:
                    raise

    def create(self, name: str, like: IndexState) -> None:
        """See `Writer.create`.

        Raises:
            Conflict: an index or alias of that name is there already.
        """
        body = {"mappings": like.mapping, "settings": like.settings}
        # What is written to it next waits for its shard by itself.
        self._make("PUT", f"/{quote(name)}", body, {"wait_for_active_shards": "0"})

    def clone(self, source: IndexState, target: str, *, writable: bool = False) -> None:
        """See `Writer.clone`."""
        # A clone has one replica unless told otherwise, and keeps the write block (measured).
        asked = {"index.number_of_replicas": source.settings.get("index.number_of_replicas", "0")}
        body = {"settings": {**asked, "index.blocks.write": None} if writable else asked}
        params = {"wait_for_active_shards": "0"} if writable else None
        # A blocked one may be called as Tracardi does, which makes such an index by writing to it.
        path = f"/{quote(source.name)}/_clone/{quote(target)}"
        self._make("PUT", path, body, params, ours=writable)

    def erase(self, index: str, ids: Sequence[str]) -> None:
        """See `Writer.erase`.

        Raises:
            MachineryError: the engine refused it; the first id and its reason are named.
        """
        for start in range(0, len(ids), BULK_DOCUMENTS):
            part = ids[start : start + BULK_DOCUMENTS]
            self._bulk(index, [json.dumps({"delete": {"_id": doc_id}}) for doc_id in part])

    def _make(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        params: Mapping[str, str] | None = None,
        *,
        ours: bool = True,
    ) -> None:
        """Make an index, again where the answer was lost.

        `ours` says that nobody else makes an index of that name: one that is there then was made by
        the attempt whose answer was lost.
        """
        unsure = False

        def send() -> Any:
            nonlocal unsure
            try:
                return self._send(method, path, params=params, body=body)
            except Refused as error:
                there = error.kind == "resource_already_exists_exception"
                if there and unsure and ours:
                    # Whoever uses it next waits for its shards.
                    return {"acknowledged": True, "shards_acknowledged": True}
                if there or error.kind == "invalid_index_name_exception":
                    raise Conflict(str(error)) from error
                raise
            except Unreachable:
                unsure = True
                raise

        with translated():
            answer = again(send)
        if not (answer["acknowledged"] and answer["shards_acknowledged"]):
            raise MachineryError(NOT_STARTED)

    def load(self, index: str, documents: Iterable[tuple[str, bytes]]) -> int:
        """See `Writer.load`.

        Raises:
            MachineryError: the engine refused a document; its id and reason are named.
        """
        count = 0
        alone: list[tuple[str, bytes]] = []
        for operations in bulks(on_one_line(documents, alone)):
            self._bulk(index, operations)
            count += len(operations)
        for doc_id, raw in alone:
            path = f"/{quote(index)}/_doc/{quote(doc_id, safe='')}"
            with translated():
                try:
                    again(partial(self._send, "PUT", path, body=raw.decode()))
                except Refused as error:
                    if error.temporary:
                        raise
                    refused = {"_id": doc_id, "error": {"reason": error.detail}}
                    raise MachineryError(refusal([refused])) from error
        return count + len(alone)

    def _bulk(self, index: str, operations: Sequence[str]) -> None:
        """Send operations that name their documents; those that it was too busy for, again."""
        due = list(operations)

        def send() -> None:
            nonlocal due
            answer = self._send(
                "POST",
                f"/{quote(index)}/_bulk",
                params={"filter_path": "errors,items.*.error,items.*._id,items.*.status"},
                body="\n".join(due) + "\n",
            )
            if not answer["errors"]:
                return
            outcomes = [next(iter(item.values())) for item in answer["items"]]
            refused = [one for one in outcomes if "error" in one and one["status"] != TOO_BUSY]
            if refused:
                raise MachineryError(refusal(refused))
            due = [what for what, one in zip(due, outcomes, strict=True) if "error" in one]
            kind, reason = outcomes[0].get("error", {}).get("type", ""), "The engine is too busy."
            raise Refused(f"{self.connection.name}: {reason}", TOO_BUSY, kind, reason)

        with translated():
            again(send)

    def block(self, names: Sequence[str]) -> None:
        """See `Writer.block`."""
        for part in batches(names):
            answer = self._change("PUT", f"/{part}/_block/write")
            # Where all have the block already, no shard is asked and none acknowledges (measured).
            asked = bool(answer["indices"])
            if not answer["acknowledged"] or (asked and not answer["shards_acknowledged"]):
                raise MachineryError(
                    "Not every index could be write-blocked. Nothing was switched."
                )

    def seal(self, names: Sequence[str]) -> None:
        """See `Writer.seal`."""
        self._set_block(names, True)

    def unblock(self, names: Sequence[str]) -> None:
        """See `Writer.unblock`."""
        self._set_block(names, None)

    def _set_block(self, names: Sequence[str], value: bool | None) -> None:
        for part in batches(names):
            self._change("PUT", f"/{part}/_settings", body={"index.blocks.write": value})

    def switch(self, actions: Sequence[AliasAction]) -> None:
        """See `Writer.switch`.

        Raises:
            Conflict: another index holds one of the names, or one that was named is gone.
            OutcomeUnknown: no answer came; it may have been applied or may be yet.
        """
        body = {"actions": [action.to_dict() for action in actions]}
        with translated():
            try:
                answer = self._send("POST", "/_aliases", body=body)
            except Refused as error:
                if error.kind in {"illegal_state_exception", "index_not_found_exception"}:
                    raise Conflict(str(error)) from error
                if error.status >= 500:
                    # A proxy's answer, or a master's that gave up waiting: it may have happened.
                    raise OutcomeUnknown(str(error)) from error
                raise
        if not answer["acknowledged"]:
            raise OutcomeUnknown("Not every node acknowledged the alias change.")

    def delete(self, names: Sequence[str]) -> None:
        """See `Writer.delete`."""
        if any("*" in name for name in names):
            raise ValueError("Indices are deleted by exact name only.")
        for part in batches(names):
            self._change("DELETE", f"/{part}", params={"ignore_unavailable": "true"})

    def await_started(self, primaries: Mapping[str, int]) -> None:
        """See `Writer.await_started`.

        Raises:
            MachineryError: a primary was not started in time.
        """
        for part in batches(list(primaries)):
            # Yellow alone is no proof: it is said of a new index whose primary has no place yet.
            due = sum(primaries[unquote(name)] for name in part.split(","))
            params = {
                "wait_for_status": "yellow",
                "wait_for_active_shards": str(due),
                "timeout": f"{START_SECONDS}s",
            }
            with translated():
                try:
                    answer = again(
                        partial(
                            self.connection.request,
                            "GET",
                            f"/_cluster/health/{part}",
                            params=params,
                            timeout=START_SECONDS + 5,
                        )
                    )
                except Refused as error:
                    # 408, or its like: it was not reached in time.
                    raise MachineryError(NOT_STARTED) from error
            if answer["timed_out"]:
                raise MachineryError(NOT_STARTED)

    def make_marker(self, name: str) -> None:
        """See `Writer.make_marker`."""
        self._make(
            "PUT",
            f"/{quote(name)}",
            {
                # Only read back whole: nothing in it needs to be searched.
                "mappings": {"dynamic": "false", "properties": {}},
                "settings": SMALL,
            },
            {"wait_for_active_shards": "0"},
        )

    def put_marker(self, name: str, facts: Mapping[str, Any]) -> None:
        """See `Writer.put_marker`."""
        path = f"/{quote(name)}/_create/{MARKER_ID}"
        with translated():
            # It waits for the primary, and is there for a read by id at once.
            try:
                again(lambda: self._send("PUT", path, body=dict(facts)))
            except Refused as error:
                # An attempt whose answer was lost may have put it there.
                if error.kind != VERSION_CONFLICT:
                    raise
                if canonical(self.marker(name)) != canonical(dict(facts)):
                    raise

    def marker(self, name: str) -> dict[str, Any] | None:
        """See `Writer.marker`."""
        with translated():
            try:
                found: dict[str, Any] = again(
                    lambda: self.connection.request("GET", f"/{quote(name)}/_source/{MARKER_ID}")
                )
            except Refused as error:
                if error.missing:
                    return None
                raise
        return found

    def searches_running(self, names: Sequence[str]) -> int:
        """See `Writer.searches_running`."""
        running = 0
        for part in batches(names):
            answer = self._ask("GET", f"/{part}/_stats/search")
            running += int(answer["_all"]["total"]["search"]["query_current"])
        return running

    def lease(self, key: str) -> tuple[LeaseState, Version]:
        """See `LeaseStore.lease`."""
        with translated():
            try:
                found = again(
                    lambda: self.connection.request("GET", f"/{LEASE_INDEX}/_doc/{quote(key)}")
                )
            except Refused as error:
                if error.missing:
                    return LeaseState(), None
                raise
        return LeaseState(**found["_source"]), (found["_seq_no"], found["_primary_term"])

    def _make_lease_index(self) -> None:
        """Make the index of leases if it is not there: a cluster may forbid to make it unasked."""
        if self.states([LEASE_INDEX]):
            return
        body = {"mappings": {"dynamic": "true"}, "settings": SMALL}
        with suppress(Conflict):
            self._make("PUT", f"/{LEASE_INDEX}", body)

    def swap(self, key: str, state: LeaseState, version: Version) -> Version:
        """See `LeaseStore.swap`."""
        condition = (
            {"op_type": "create"}
            if version is None
            else {"if_seq_no": str(version[0]), "if_primary_term": str(version[1])}
        )
        if version is None:
            self._make_lease_index()
        with translated():
            try:
                answer = again(
                    lambda: self.connection.request(
                        "PUT",
                        f"/{LEASE_INDEX}/_doc/{quote(key)}",
                        params=condition,
                        body=state.to_dict(),
                    ),
                    is_busy,
                )
            except Refused as error:
                if error.kind == VERSION_CONFLICT:
                    raise Conflict(str(error)) from error
                raise
        return answer["_seq_no"], answer["_primary_term"]


def _no_fence() -> None:
    """Let every change pass: it is made under no claim."""


# One shard, and a copy of it on another node where there is one.
SMALL: Final = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}
