"""What a document refers to: for dependencies, and to find references that lead nowhere.

Pure: no Django, no I/O. The list is from docs/tracardi.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final

from environments.documents import ENCODED_FIELDS, decoded, is_noise_document


@dataclass(frozen=True)
class Reference:
    """One mention of another document.

    `path` is its place in the decoded document, `resource` and `id` name what it leads to. `soft`
    says that Tracardi works without the other document. A segment's `id` may be its machine name.
    `name` is what the mention itself calls the other, which may be gone or called otherwise by now.
    """

    path: str
    resource: str
    id: str
    soft: bool = False
    name: str = field(default="", compare=False)


# Events carry types, and profiles segments, that no document describes.
SOFT_TARGETS: Final = ("event-management", "segment")

# Resource: (path, what it leads to). `[]` is each item of a list.
_PATHS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "rule": (
        ("flow.id", "flow"),
        ("source.id", "event-source"),
        ("event_type.id", "event-management"),
        ("properties.consents[].id", "consent-type"),
        ("segment.id", "segment"),
    ),
    "destination": (
        ("resource.id", "resource"),
        ("source.id", "event-source"),
        ("event_type.id", "event-management"),
    ),
    "live-segment": (("workflow.id", "flow"),),
    "segment": (("eventType[]", "event-management"),),
    "event-reshaping": (
        ("event_source.id", "event-source"),
        ("event_type", "event-management"),
    ),
    "event-validation": (("event_type", "event-management"),),
    "event-redirect": (("source.id", "event-source"), ("event_type", "event-management")),
    "identification-point": (
        ("source.id", "event-source"),
        ("event_type.id", "event-management"),
    ),
    "consent-data-compliance": (
        ("event_type.id", "event-management"),
        ("settings[].consents[].id", "consent-type"),
    ),
    "event-to-profile": (("event_type.id", "event-management"),),
    "event-source": (("bridge.id", "bridge"),),
}
# The type of a form's component: what the member of `init` that it edits leads to.
_COMPONENTS: Final[Mapping[str, str]] = {
    "resource": "resource",
    "source": "event-source",
    "eventType": "event-management",
    "eventTypes": "event-management",
    "consentTypes": "consent-type",
}
# Members of `init` that are references even where the form does not say so.
_INIT_RESOURCES: Final = ("source", "resource")
_INIT_SEGMENTS: Final = ("segment", "true_segment", "false_segment")


_Step = tuple[str, bool]
# (path, resource, id, soft, name) of a `Reference`: there may be a hundred thousand.
Mention = tuple[str, str, str, bool, str]


# A form may name any member: what documents can add is bounded.
@lru_cache(maxsize=2048)
def _steps(path: str) -> tuple[_Step, ...]:
    """Return the members that a path leads through, and whether each is a list of many."""
    return tuple((step.removesuffix("[]"), step.endswith("[]")) for step in path.split("."))


def _at(value: object, path: str, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield (concrete path, value) for each place that `path` leads to."""
    return _walk(value, _steps(path), prefix)


def _walk(value: object, steps: tuple[_Step, ...], prefix: str) -> Iterator[tuple[str, object]]:
    (name, is_list), *rest = steps
    if not isinstance(value, dict) or name not in value:
        return
    inner, here = value[name], prefix + name
    found: list[tuple[str, object]] = [(here, inner)]
    if is_list:
        items = inner if isinstance(inner, list) else []
        found = [(f"{here}[{number}]", item) for number, item in enumerate(items)]
    if not rest:
        yield from found
        return
    for place, item in found:
        yield from _walk(item, tuple(rest), f"{place}.")


def _name(value: object) -> str:
    """Return what a {"id", "name"} calls the other document."""
    name = value.get("name") if isinstance(value, Mapping) else None
    return name if isinstance(name, str) else ""


def _ids(value: object, place: str) -> Iterator[tuple[str, str, str]]:
    """Yield (path, id, name) from an id, a {"id", "name"}, or a list of either."""
    if isinstance(value, str):
        if value:
            yield place, value, ""
    elif isinstance(value, Mapping):
        inner = value.get("id")
        if isinstance(inner, str) and inner:
            yield f"{place}.id", inner, _name(value)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _ids(item, f"{place}[{number}]")


def _is_computed(name: str) -> bool:
    """Say whether a text is found at run time, by a path like profile@traits.x or a template."""
    return "@" in name or "{{" in name


def _in_spec(spec: object, place: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield (path, resource, id, name) of what a flow's node refers to, each place once."""
    seen: set[str] = set()

    def found(path: str, target: str) -> Iterator[tuple[str, str, str, str]]:
        for where, value in _at(spec, path, place):
            for deep, doc_id, name in _ids(value, where):
                if deep not in seen and not (target == "segment" and _is_computed(doc_id)):
                    seen.add(deep)
                    yield deep, target, doc_id, name

    # The form comes first: it tells an event source from a resource, both called `source`.
    for _, edited in _at(spec, "form.groups[].fields[]"):
        if isinstance(edited, Mapping) and isinstance(edited.get("id"), str):
            for _, component in _at(edited, "component.type"):
                target = _COMPONENTS.get(component) if isinstance(component, str) else None
                if target is not None:
                    yield from found(f"init.{edited['id']}", target)
    for name in _INIT_RESOURCES:
        # Only with an `id`: a text called `source` may be anything.
        if any(isinstance(value, Mapping) for _, value in _at(spec, f"init.{name}")):
            yield from found(f"init.{name}", "resource")
    for name in _INIT_SEGMENTS:
        yield from found(f"init.{name}", "segment")
    for _, value in _at(spec, "microservice.server.resource"):
        if isinstance(value, Mapping):
            yield from found("microservice.server.resource", "resource")


_ABSENT: Final = object()


@cache
def _leaf(path: str, target: str) -> tuple[str, bool, bool]:
    """Return the path to what holds the id, whether that is an object, whether it is soft."""
    whole = path.removesuffix(".id")
    return whole, whole != path, target in SOFT_TARGETS


def mentions(resource: str, doc_id: str, plain: Mapping[str, Any]) -> Iterator[Mention]:
    """Yield what a decoded document refers to, in the order of docs/tracardi.md.

    The event source that each install of Tracardi rewrites refers to nothing.
    """
    if is_noise_document(resource, doc_id):
        return
    for path, target in _PATHS.get(resource, ()):
        whole, in_object, soft = _leaf(path, target)
        # Most are a member of the document itself.
        top = plain.get(whole, _ABSENT)
        for place, value in [(whole, top)] if top is not _ABSENT else _at(plain, whole):
            if in_object and isinstance(value, dict):
                found = value.get("id")
                if isinstance(found, str) and found:
                    yield f"{place}.id", target, found, soft, _name(value)
            elif not in_object and isinstance(value, str) and value:
                yield place, target, value, soft, ""
    if resource == "flow":
        for side in ENCODED_FIELDS["flow"]:
            for place, spec in _at(plain, f"{side}.flowGraph.nodes[].data.spec"):
                for deep, target, found, name in _in_spec(spec, f"{place}."):
                    # Only `production` runs; a draft or a backup with a gap harms nobody yet.
                    yield deep, target, found, side != "production" or target in SOFT_TARGETS, name


def references(resource: str, doc_id: str, source: Mapping[str, Any]) -> tuple[Reference, ...]:
    """Return what a document refers to, as `mentions` finds it.

    An encoded field that cannot be decoded has no references.

    Raises:
        DocumentError: a field unpacks to more than MAX_DECODED_BYTES.
    """
    return tuple(Reference(*one) for one in mentions(resource, doc_id, decoded(resource, source)))
