"""What a document refers to: for dependencies, and to find references that lead nowhere.

Pure: no Django, no I/O. The list is from docs/tracardi.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from environments.documents import ENCODED_FIELDS, decoded, is_noise_document


@dataclass(frozen=True)
class Reference:
    """One mention of another document.

    `path` is its place in the decoded document, `resource` and `id` name what it leads to. `soft`
    says that Tracardi works without the other document. A segment's `id` may be its machine name.
    """

    path: str
    resource: str
    id: str
    soft: bool = False


# Events carry types, and profiles segments, that no document describes.
_SOFT_TARGETS: Final = ("event-management", "segment")

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


def _at(value: object, path: str, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield (concrete path, value) for each place that `path` leads to."""
    step, _, rest = path.partition(".")
    name = step.removesuffix("[]")
    if not isinstance(value, Mapping) or name not in value:
        return
    inner, here = value[name], f"{prefix}{name}"
    found: list[tuple[str, object]] = [(here, inner)]
    if step != name:
        items = inner if isinstance(inner, list) else []
        found = [(f"{here}[{number}]", item) for number, item in enumerate(items)]
    for place, item in found:
        if rest:
            yield from _at(item, rest, f"{place}.")
        else:
            yield place, item


def _ids(value: object, place: str) -> Iterator[tuple[str, str]]:
    """Yield (path, id) from an id, a {"id", "name"}, or a list of either."""
    if isinstance(value, str):
        if value:
            yield place, value
    elif isinstance(value, Mapping):
        if isinstance(value.get("id"), str):
            yield from _ids(value["id"], f"{place}.id")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _ids(item, f"{place}[{number}]")


def _is_computed(name: str) -> bool:
    """Say whether a text is found at run time, by a path like profile@traits.x or a template."""
    return "@" in name or "{{" in name


def _in_spec(spec: object, place: str) -> Iterator[Reference]:
    """Yield the references of a flow's node, each place once."""
    seen: set[str] = set()

    def found(path: str, target: str) -> Iterator[Reference]:
        for where, value in _at(spec, path, place):
            for deep, doc_id in _ids(value, where):
                if deep not in seen and not (target == "segment" and _is_computed(doc_id)):
                    seen.add(deep)
                    yield Reference(deep, target, doc_id)

    # The form comes first: it tells an event source from a resource, both called `source`.
    for _, field in _at(spec, "form.groups[].fields[]"):
        if isinstance(field, Mapping) and isinstance(field.get("id"), str):
            for _, component in _at(field, "component.type"):
                target = _COMPONENTS.get(component) if isinstance(component, str) else None
                if target is not None:
                    yield from found(f"init.{field['id']}", target)
    for name in _INIT_RESOURCES:
        # Only with an `id`: a text called `source` may be anything.
        yield from found(f"init.{name}.id", "resource")
    for name in _INIT_SEGMENTS:
        yield from found(f"init.{name}", "segment")
    yield from found("microservice.server.resource.id", "resource")


def _all(resource: str, plain: Mapping[str, Any]) -> Iterator[Reference]:
    for path, target in _PATHS.get(resource, ()):
        for place, value in _at(plain, path):
            if isinstance(value, str) and value:
                yield Reference(place, target, value, target in _SOFT_TARGETS)
    if resource == "flow":
        for field in ENCODED_FIELDS["flow"]:
            for place, spec in _at(plain, f"{field}.flowGraph.nodes[].data.spec"):
                for found in _in_spec(spec, f"{place}."):
                    # Only `production` runs; a draft or a backup with a gap harms nobody yet.
                    soft = field != "production" or found.resource in _SOFT_TARGETS
                    yield Reference(found.path, found.resource, found.id, soft)


def references(resource: str, doc_id: str, source: Mapping[str, Any]) -> tuple[Reference, ...]:
    """Return what the document refers to, in the order of docs/tracardi.md.

    An encoded field that cannot be decoded has none. The event source that each install of
    Tracardi rewrites has none either.

    Raises:
        DocumentError: a field unpacks to more than MAX_DECODED_BYTES.
    """
    if is_noise_document(resource, doc_id):
        return ()
    return tuple(_all(resource, decoded(resource, source)))
