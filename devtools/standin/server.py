"""The stand-in's server: `/track` over HTTP, on loopback, on a free port."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from devtools.standin.flows import Run, matching, run_flow
from devtools.standin.page import CHANGE, Change, page
from environments.documents import decoded, parse
from environments.elastic import Connection, ElasticError
from environments.naming import Naming

SAYS = "stand-in for Tracardi: no message leaves this machine"


@dataclass
class StandIn:
    """Behaves as the staging behind `connection` is configured.

    `late` are the seconds until a flow's results show, by its id; None: they never do. `failing`
    flows log an error. `fault` makes the next answers wrong: time-out, half, html, redirect, reset,
    error, other, trickle, trickling-headers.
    """

    connection: Connection
    naming: Naming
    late: dict[str, float | None] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    fault: str = ""
    redirect_to: str = ""
    # Whose partition of events and profiles it writes to; this month's otherwise.
    month: str = ""
    # So many logs more are left by each event.
    noise: int = 0
    # What the answers say, and whether they name no profile, nor is one kept.
    answering: dict[str, Any] = field(default_factory=dict)
    without_profile: bool = False
    # Done once, after the first visit.
    between: Callable[[], None] | None = None
    # A change of staging that its page offers, if any.
    change: Change | None = None
    visits: list[dict[str, Any]] = field(default_factory=list)

    def track(self, visit: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a visit does, and return the answer."""
        self.visits.append(dict(visit))
        if visit["source"]["id"] not in self._sources():
            return {"detail": "Access denied. Invalid source."}
        profile, is_new = self._profile(visit)
        session = str(visit["session"]["id"])
        events = [self._event(visit, one, session, profile["id"]) for one in visit["events"]]
        if is_new:
            made = {"type": "profile-created", "properties": {}}
            events.append(self._event(visit, made, session, profile["id"]))
        logs, wait = self._run(events, profile)
        if wait is not None:
            self._later(wait, events, profile, logs)
        if self.between is not None:
            between, self.between = self.between, None
            between()
        return {
            "task": str(uuid.uuid4()),
            "ux": [],
            "response": self.answering,
            "profile": {} if self.without_profile else {"id": profile["id"]},
        }

    def _run(
        self, events: list[dict[str, Any]], profile: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], float | None]:
        """Run the flows of the rules that fire; return the logs, and how late all of it shows."""
        rules = self._configuration("rule")
        logs: list[dict[str, Any]] = []
        wait: float | None = 0.0
        flows: list[str] = []
        for event in events:
            for rule_id in matching(rules, event):
                flow_id = str((rules[rule_id].get("flow") or {}).get("id"))
                event["metadata"]["processed_by"]["rules"].append(rules[rule_id]["name"])
                event["metadata"]["status"] = "processed"
                flows.append(flow_id)
                run = Run(event, profile)
                found = self._configuration("flow").get(flow_id)
                if found is not None:
                    run_flow(decoded("flow", found), run)
                if flow_id in self.failing:
                    run.log.append(("error", "RemoteCallAction", "The node failed: HTTP 500."))
                logs += [_log(event["id"], flow_id, *one) for one in run.log]
                late = self.late.get(flow_id, 0.0)
                wait = None if late is None or wait is None else max(wait, late)
        for event in events:
            # All events of a call name all flows that it ran, as a real one does.
            event["metadata"]["processed_by"]["flows"] = sorted(set(flows))
        return logs, wait

    def _later(
        self,
        wait: float,
        events: list[dict[str, Any]],
        profile: dict[str, Any],
        logs: list[dict[str, Any]],
    ) -> None:
        month = self.month or f"{datetime.now(UTC):%Y-%m}"

        def write() -> None:
            time.sleep(wait)
            profiles = [] if self.without_profile else [profile]
            for name, documents in (("event", events), ("profile", profiles)):
                index = self.naming.partition(name, month)
                for one in documents:
                    self._write(index, one["id"], one)
            for one in logs:
                self._write(self.naming.concrete("console-log"), str(uuid.uuid4()), one)
            self._make_noise(events)

        if wait:
            threading.Thread(target=write, daemon=True).start()
        else:
            write()

    def _make_noise(self, events: list[dict[str, Any]]) -> None:
        lines = []
        for event in events:
            for number in range(self.noise):
                index = {"_index": self.naming.concrete("console-log")}
                lines.append(json.dumps({"index": index}))
                lines.append(json.dumps(_log(event["id"], "", "info", "", f"Log {number}")))
        if lines:
            self.connection.request("POST", "/_bulk", body="\n".join(lines) + "\n")

    def _write(self, index: str, doc_id: str, document: Mapping[str, Any]) -> None:
        self.connection.request("PUT", f"/{index}/_doc/{quote(doc_id, safe='')}", body=document)

    def _configuration(self, resource: str) -> dict[str, dict[str, Any]]:
        alias = self.naming.alias(resource)
        self.connection.request("POST", f"/{alias}/_refresh")
        text = self.connection.verbatim("POST", f"/{alias}/_search", body={"size": 1000})
        return {hit["_id"]: hit["_source"] for hit in parse(text)["hits"]["hits"]}

    def _sources(self) -> set[str]:
        found = self._configuration("event-source")
        return {doc_id for doc_id, one in found.items() if one.get("enabled", True)}

    def _profile(self, visit: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        doc_id = str((visit.get("profile") or {}).get("id") or uuid.uuid4())
        alias = self.naming.alias("profile")
        try:
            self.connection.request("POST", f"/{alias}/_refresh")
            query = {"query": {"ids": {"values": [doc_id]}}}
            answer = self.connection.request("POST", f"/{alias}/_search", body=query)
            hits = answer["hits"]["hits"]
        except ElasticError:
            # No profile was ever written.
            hits = []
        if hits:
            return dict(hits[0]["_source"]), False
        now = datetime.now(UTC).replace(tzinfo=None).isoformat()
        return {
            "id": doc_id,
            "ids": [doc_id],
            "metadata": {"time": {"insert": now, "update": now}},
            "traits": {},
            "segments": [],
            "consents": {},
            "active": True,
        }, True

    @staticmethod
    def _event(
        visit: Mapping[str, Any], event: Mapping[str, Any], session: str, profile: str
    ) -> dict[str, Any]:
        now = datetime.now(UTC).replace(tzinfo=None).isoformat()
        return {
            "id": str(uuid.uuid4()),
            "name": event["type"].replace("-", " ").title(),
            "metadata": {
                "time": {"insert": now},
                "status": "collected",
                "processed_by": {"rules": [], "flows": [], "third_party": []},
                "valid": True,
                "error": False,
                "warning": False,
            },
            "type": event["type"],
            "properties": event.get("properties") or {},
            "source": {"id": visit["source"]["id"]},
            "session": {"id": session},
            "profile": {"id": profile},
        }


def _log(event: str, flow: str, kind: str, class_name: str, message: str) -> dict[str, Any]:
    now = datetime.now(UTC).replace(tzinfo=None).isoformat()
    return {
        "metadata": {"timestamp": now},
        "event_id": event,
        "flow_id": flow,
        "origin": "node",
        "class_name": class_name,
        "module": "standin",
        "type": kind,
        "message": message,
    }


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        standin = self.server.standin
        if standin.fault and getattr(self, f"_{standin.fault.replace('-', '_')}")():
            return
        if self.path == "/healthcheck":
            self._send(200, b'{"headers":{},"json":{},"body":""}')
        elif self.path.partition("?")[0] == "/":
            text = page(standin.change, made=self.path.endswith("?made"))
            self._send(200, text.encode(), "text/html; charset=utf-8")
        else:
            self._send(404, b'{"detail":"Not Found"}')

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        raw, standin = self.rfile.read(length), self.server.standin
        if self.path == CHANGE and standin.change is not None:
            standin.change.make()
            self.send_response(303)
            self.send_header("location", "/?made")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        if standin.fault and getattr(self, f"_{standin.fault.replace('-', '_')}")():
            return
        if self.path != "/track":
            self._send(404, b'{"detail":"Not Found"}')
            return
        answer = standin.track(json.loads(raw))
        self._send(401 if "detail" in answer else 200, json.dumps(answer).encode())

    def _send(
        self, status: int, body: bytes, kind: str = "application/json", length: int | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.send_header("x-stand-in", SAYS)
        self.end_headers()
        self.wfile.write(body)

    # --- Faults: each answers instead, and says so --------------------------------------------

    def _time_out(self) -> bool:
        self.server.ended.wait(30)
        return True

    def _half(self) -> bool:
        self._send(200, b'{"task": "x", "profi', length=400)
        self.close_connection = True
        return True

    def _html(self) -> bool:
        self._send(200, b"<html><h1>Welcome</h1></html>", "text/html")
        return True

    def _redirect(self) -> bool:
        self.send_response(307)
        self.send_header("location", self.server.standin.redirect_to)
        self.send_header("content-length", "0")
        self.end_headers()
        return True

    def _reset(self) -> bool:
        self.connection.close()
        self.close_connection = True
        return True

    def _error(self) -> bool:
        self._send(500, b'{"detail":"Internal Server Error"}')
        return True

    def _other(self) -> bool:
        self._send(200, b'{"hello": "world"}')
        return True

    def _trickle(self) -> bool:
        self.send_response(200)
        self.send_header("content-length", "1000000")
        self.end_headers()
        while not self.server.ended.wait(0.05):
            try:
                self.wfile.write(b" ")
            except OSError:
                break
        return True

    def _trickling_headers(self) -> bool:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        number = 0
        while not self.server.ended.wait(0.05):
            try:
                self.wfile.write(f"x-{number}: y\r\n".encode())
            except OSError:
                break
            number += 1
        return True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, standin: StandIn, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.standin = standin
        self.ended = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is none of the server's trouble."""


@contextmanager
def serving(standin: StandIn, port: int = 0) -> Iterator[str]:
    """Serve a stand-in while the block runs, and return its address."""
    server = _Server(standin, port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
