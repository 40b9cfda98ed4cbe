"""Builds a flow's document, with its graph encoded as Tracardi does, from a short description.

A description has `id`, `name`, `description`, `project`, `type`, `saved` (when), `nodes` (key to
plugin, x, y and init) and `edges` (from, port, to).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from environments.documents import encode_field

_ACTIONS = "tracardi.process_engine.action.v1"


@dataclass(frozen=True)
class Plugin:
    """What a node does. `fields` are those of its form: key of `init` to kind of input."""

    name: str
    class_name: str
    module: str
    group: str
    icon: str
    outputs: tuple[str, ...]
    fields: Mapping[str, str]
    inputs: tuple[str, ...] = ("payload",)
    kind: str = "flowNode"

    @property
    def id(self) -> str:
        words = f"{self.module}.{self.class_name}"
        return hashlib.md5(words.encode(), usedforsecurity=False).hexdigest()


PLUGINS: Mapping[str, Plugin] = {
    "start": Plugin(
        name="Start",
        class_name="StartAction",
        module=f"{_ACTIONS}.flow.start.start_action",
        group="Flow",
        icon="event",
        outputs=("payload",),
        fields={"event_types": "eventTypes", "debug": "bool"},
        inputs=(),
        kind="startNode",
    ),
    "if": Plugin(
        name="If",
        class_name="IfAction",
        module=f"{_ACTIONS}.if_action",
        group="Flow control",
        icon="if",
        outputs=("true", "false"),
        fields={"condition": "textarea", "trigger_once": "bool", "ttl": "text"},
        kind="condNode",
    ),
    "add-segment": Plugin(
        name="Add segment",
        class_name="AddSegmentAction",
        module=f"{_ACTIONS}.segmentation.add.plugin",
        group="Segmentation",
        icon="segment",
        outputs=("payload", "error"),
        fields={"segment": "text"},
    ),
    "segment-if": Plugin(
        name="Segment by condition",
        class_name="ProfileSegmentAction",
        module=f"{_ACTIONS}.segmentation.conditional.plugin",
        group="Segmentation",
        icon="segment",
        outputs=("true", "false", "error"),
        fields={
            "condition": "textarea",
            "true_action": "select",
            "true_segment": "text",
            "false_action": "select",
            "false_segment": "text",
        },
    ),
    "copy": Plugin(
        name="Copy data",
        class_name="CopyTraitAction",
        module=f"{_ACTIONS}.traits.copy_trait_action",
        group="Data processing",
        icon="copy",
        outputs=("payload",),
        fields={"traits": "copyTraitsInput"},
    ),
    "update-profile": Plugin(
        name="Update profile",
        class_name="UpdateProfileAction",
        module=f"{_ACTIONS}.operations.update_profile_action",
        group="Operations",
        icon="store",
        outputs=(),
        fields={},
    ),
    "call": Plugin(
        name="Remote API call",
        class_name="RemoteCallAction",
        module=f"{_ACTIONS}.connectors.api_call.plugin",
        group="Connectors",
        icon="globe",
        outputs=("response", "error"),
        fields={
            "source": "resource",
            "method": "select",
            "endpoint": "text",
            "body": "contentInput",
            "headers": "keyValueList",
        },
    ),
    "mail": Plugin(
        name="Send e-mail",
        class_name="SmtpDispatcherAction",
        module=f"{_ACTIONS}.connectors.smtp_call.plugin",
        group="Connectors",
        icon="email",
        outputs=("payload", "error"),
        fields={
            "resource": "resource",
            "mail.send_to": "dotPath",
            "mail.title": "text",
            "mail.message": "contentInput",
        },
    ),
}


def _form(plugin: Plugin) -> dict[str, Any]:
    fields = [
        {
            "id": key,
            "name": key.rpartition(".")[2].replace("_", " ").capitalize(),
            "description": "",
            "component": {"type": kind, "props": {"label": key}},
            "validation": None,
            "required": False,
        }
        for key, kind in plugin.fields.items()
    ]
    group = {"name": plugin.name, "description": None, "fields": fields}
    return {"submit": None, "default": {}, "title": None, "groups": [group] if fields else []}


def _spec(plugin: Plugin, init: Mapping[str, Any] | None) -> dict[str, Any]:
    nothing = {"id": "", "name": ""}
    return {
        "id": plugin.id,
        "className": plugin.class_name,
        "module": plugin.module,
        "inputs": list(plugin.inputs),
        "outputs": list(plugin.outputs),
        "init": init,
        "microservice": {
            "server": {"credentials": {"production": {}, "test": {}}, "resource": nothing},
            "service": nothing,
            "plugin": {**nothing, "resource": {}},
        },
        "skip": False,
        "block_flow": False,
        "run_in_background": False,
        "on_error_continue": False,
        "on_connection_error_repeat": 1,
        "append_input_payload": False,
        "join_input_payload": False,
        "form": _form(plugin),
        "manual": None,
        "author": "",
        "license": "",
        "version": "0.8.1",
        "run_once": {"value": "", "ttl": 0, "type": "value", "enabled": False},
        "node": None,
    }


def _metadata(plugin: Plugin) -> dict[str, Any]:
    start = plugin.kind == "startNode"
    return {
        "name": plugin.name,
        "brand": "",
        "desc": "",
        "keywords": [],
        "type": plugin.kind,
        "width": 200 if start else 300,
        "height": 200 if start else 100,
        "icon": plugin.icon,
        "documentation": {
            "tutorial": None,
            "inputs": {port: {"desc": ""} for port in plugin.inputs},
            "outputs": {port: {"desc": ""} for port in plugin.outputs},
        },
        "group": [plugin.group],
        "tags": [],
        "pro": False,
        "commercial": False,
        "remote": False,
        "frontend": False,
        "emits_event": {},
        "purpose": ["collection"],
    }


def graph(flow: Mapping[str, Any]) -> dict[str, Any]:
    """Return a described flow's `flowGraph`."""
    nodes = []
    for key, (name, x, y, init) in flow["nodes"].items():
        plugin = PLUGINS[name]
        data = {
            "start": plugin.kind == "startNode",
            "debug": False,
            "spec": _spec(plugin, init),
            "metadata": _metadata(plugin),
        }
        nodes.append(
            {
                "id": f"{flow['id']}-{key}",
                "type": plugin.kind,
                "position": {"x": x, "y": y},
                "data": data,
            }
        )
    edges = [
        {
            "source": f"{flow['id']}-{source}",
            "sourceHandle": port,
            "target": f"{flow['id']}-{target}",
            "targetHandle": "payload",
            "id": f"{flow['id']}-e{number}",
            "type": "default",
            "data": {"name": ""},
        }
        for number, (source, port, target) in enumerate(flow["edges"])
    ]
    return {"nodes": nodes, "edges": edges}


def _version(flow: Mapping[str, Any], saved: datetime) -> str:
    return encode_field(
        {
            "id": flow["id"],
            "name": flow["name"],
            "description": flow["description"],
            "flowGraph": graph(flow),
            "response": {},
            "projects": [flow["project"]],
            "lock": False,
            "type": flow["type"],
            "timestamp": saved.isoformat(sep=" "),
            "deploy_timestamp": None,
            "wf_schema": {
                "version": "0.8.1",
                "uri": "http://www.tracardi.com/2021/WFSchema",
                "server_version": "0.8.1",
            },
        },
        mtime=int(saved.replace(tzinfo=UTC).timestamp()),
    )


def _earlier(flow: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flow before its last node was added."""
    *kept, last = flow["nodes"]
    return {
        **flow,
        "nodes": {key: flow["nodes"][key] for key in kept},
        "edges": [edge for edge in flow["edges"] if last not in (edge[0], edge[2])],
    }


def document(flow: Mapping[str, Any]) -> dict[str, Any]:
    """Return a described flow's `_source`, deployed, with an earlier version as its backup."""
    saved = datetime.fromisoformat(flow["saved"])
    current = _version(flow, saved)
    return {
        "backup": _version(_earlier(flow), saved - timedelta(days=2, hours=3)),
        "deploy_timestamp": (saved + timedelta(minutes=4)).isoformat(),
        "deployed": True,
        "description": flow["description"],
        "draft": current,
        "id": flow["id"],
        "lock": False,
        "name": flow["name"],
        "production": current,
        "projects": [flow["project"]],
        "timestamp": saved.isoformat(),
        "type": flow["type"],
    }
