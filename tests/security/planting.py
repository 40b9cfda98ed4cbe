"""Documents of every promoted resource that carry payloads wherever the real mapping takes text."""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from environments.catalogue import Resource
from environments.documents import ENCODED_FIELDS, encode_field
from tests.data import load
from tests.security.payloads import SHORT, Places

# The document of each resource that carries all payloads in each of its fields.
WHOLE: Final = "hit-whole"
# Where real documents hold a list.
_LISTS: Final = frozenset({"tags", "groups", "projects", "eventType", "consents"})
# References, by a field's path; the document that they lead to is one that carries payloads too.
_LINKS: Final[Mapping[tuple[str, str], str]] = {
    ("rule", "flow.id"): "flow",
    ("rule", "source.id"): "event-source",
    ("rule", "segment.id"): "segment",
    ("destination", "resource.id"): "resource",
    ("destination", "source.id"): "event-source",
    ("event-redirect", "source.id"): "event-source",
    ("event-reshaping", "event_source.id"): "event-source",
    ("identification-point", "source.id"): "event-source",
    ("live-segment", "workflow.id"): "flow",
}


def doc_id(places: Places, resource: str, which: int) -> str:
    """Return the id of the document of one payload: an id may be anything, so it is that too."""
    # A path that begins with dots leads elsewhere, and to no harm.
    return f"id {places.text(f'{resource} id', which)}"


# Says with which texts a place is filled: one payload, or all.
Texts: TypeAlias = Callable[[str], list[str]]


def documents(resource: Resource, places: Places) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (id, source) of one document a payload."""
    name = resource.name
    for which in range(len(SHORT)):
        own = doc_id(places, name, which)

        def texts(path: str, which: int = which) -> list[str]:
            return [places.text(f"{name} {path}", which)]

        yield own, Filler(resource, places, texts).source(own)


def whole(resource: Resource, places: Places, version: str) -> dict[str, Any]:
    """Return a version of the document that carries all payloads in each of its fields."""
    lead = f"{version} {resource.name}"
    filler = Filler(resource, places, lambda path: places.texts(f"{lead} {path}"))
    return filler.source(WHOLE)


@dataclass
class Filler:
    """Fills each field of a resource's mapping that takes text."""

    resource: Resource
    places: Places
    texts: Texts

    def source(self, own: str) -> dict[str, Any]:
        shape = load("0.8.1/indices.json")[self.resource.storage]
        fields = shape["mappings"]["properties"]
        found = self.values("", {name: one for name, one in fields.items() if name != "id"})
        return {**found, **({"id": own} if "id" in fields else {})}

    def values(self, lead: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        found = {field: self.value(f"{lead}{field}", about) for field, about in fields.items()}
        return {field: value for field, value in found.items() if value is not None}

    def value(self, path: str, about: Mapping[str, Any]) -> Any:
        name, field, texts = self.resource.name, path.rpartition(".")[2], self.texts
        kind = about.get("type", "object")
        if field in ENCODED_FIELDS.get(name, ()):
            return encode_field(flow(texts, path) if name == "flow" else free(texts, path))
        if target := _LINKS.get((name, path)):
            return doc_id(self.places, target, 0)
        if "properties" in about:
            return self.values(f"{path}.", about["properties"])
        if kind == "boolean":
            return True
        if kind in {"keyword", "text"} and field in _LISTS:
            return texts(path)
        if kind == "flattened" or (kind == "object" and about.get("enabled") is False):
            return free(texts, path)
        text = "\n".join(texts(path)) if kind in {"keyword", "text", "object", "binary"} else None
        if text is None or kind in {"keyword", "text"}:
            return text
        # A new key of a dynamic object would be a field of the mapping.
        return {"lang": text} if kind == "object" else base64.b64encode(text.encode()).decode()


def free(texts: Texts, path: str) -> dict[str, Any]:
    """Return an object of any keys: payloads are its keys too, as far as an engine takes them."""
    keys = [one.replace("\0", "")[:200] for one in texts(f"{path} keys")]
    held = {"value": "\n".join(texts(path)), "list": texts(f"{path} list")}
    return {**held, "named": {one: "there" for one in keys if one.strip(". ")}}


def flow(texts: Texts, path: str) -> dict[str, Any]:
    """Return a flow with a node for each payload, and an edge between each and the next."""
    parts = ("name", "desc", "group", "icon", "port", "edge", "setting", "label", "key", "type")
    held = {part: texts(f"{path} {part}") for part in parts}

    def at(part: str, number: int) -> str:
        return held[part][number % len(held[part])]

    nodes = [
        {
            "id": f"n{number}",
            "type": "flowNode" if number % 2 else at("type", number),
            "position": {"x": 0, "y": number * 150},
            "data": {
                "metadata": {
                    "name": name,
                    "desc": at("desc", number),
                    "remarks": at("desc", number),
                    "group": [at("group", number)],
                    "icon": at("icon", number),
                },
                "spec": {
                    "className": at("type", number),
                    "module": at("type", number),
                    "inputs": ["payload", at("port", number)],
                    "outputs": ["payload", at("port", number)],
                    "init": {"message": at("setting", number), at("key", number): "there"},
                    "form": {
                        "groups": [
                            {
                                "name": at("label", number),
                                "fields": [{"id": "message", "name": at("label", number)}],
                            }
                        ]
                    },
                },
            },
        }
        for number, name in enumerate(held["name"])
    ]
    edges = [
        {
            "id": f"e{number}",
            "source": f"n{number}",
            "sourceHandle": at("port", number),
            "target": f"n{number + 1}",
            "targetHandle": at("port", number + 1),
            "data": {"name": at("edge", number)},
        }
        for number in range(len(nodes) - 1)
    ]
    return {
        "name": "\n".join(texts(f"{path} own name")),
        "flowGraph": {"nodes": nodes, "edges": edges},
    }
