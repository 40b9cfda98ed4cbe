"""Sentences about what comes in: sources and types of events, and what is done with an event.

Pure: no Django, no I/O. Each function takes a masked document, and is right about any of them:
what is missing, or is something else than it should be, is said or left out.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from environments.ways import Key
from environments.words.conditions import condition, field
from environments.words.names import Names
from environments.words.parts import Part, Piece, Sentence, code, listed, sentence
from environments.words.reading import inner, items, named, referred, words

Source: TypeAlias = Mapping[str, Any]
# The documents of a resource that name the one that is spoken of; of "", those of any.
UsedBy: TypeAlias = Callable[[str], list[Key]]

_SPAN: Final = re.compile(r"([0-9]{1,5})(m|h|d)")
_SPANS: Final = {"m": "minute", "h": "hour", "d": "day"}


def comes(names: Names, event: object, source: object) -> list[Piece]:
    """Return `*type* comes from *source*`, and what of it a document does not name."""
    event_id, event_name = named(event)
    source_id, source_name = named(source)
    return [
        names.ref("event-management", event_id, event_name)
        if event_id
        else "an event, whose type is not named,",
        " comes from ",
        names.ref("event-source", source_id, source_name)
        if source_id
        else "a source that is not named",
    ]


def of_type(names: Names, event: object, start: str = "an event") -> Piece:
    """Return the name of an event's type, or words for one that is not named."""
    event_id, event_name = named(event)
    if not event_id:
        return f"{start}, whose type is not named,"
    return names.ref("event-management", event_id, event_name)


def event_source(source: Source, names: Names, used: UsedBy) -> list[Sentence]:
    bridge_id, bridge_name = named(source.get("bridge"))
    through: list[Piece] = []
    if bridge_id:
        through = [" through ", names.ref("bridge", bridge_id, bridge_name)]
    channel = words(source.get("channel"))
    found = [
        sentence(
            "Takes events in",
            through,
            [", on the channel ", code(channel)] if channel else "",
            "; it is set to require consent" if source.get("requires_consent") is True else "",
            ".",
        )
    ]
    return [*found, *_leads(names, used, "Its events")]


def event_type(source: Source, names: Names, used: UsedBy) -> list[Sentence]:
    journey = words(source.get("journey"))
    tags = [code(tag) for one in items(source.get("tags")) if (tag := words(one))]
    found = []
    if journey:
        found.append(sentence("Belongs to the stage ", code(journey), " of a customer's journey."))
    leads = _leads(names, used, "It")
    if leads:
        return [*found, *leads]
    if not found and tags:
        found.append(sentence("Carries the tag", "s " if len(tags) > 1 else " ", listed(tags), "."))
    if others := [names.ref(*key) for key in used("")]:
        return [*found, sentence("It is named by ", listed(others), ".")]
    nothing = sentence("No rule, destination or segment names it.")
    whole = all(map(names.is_whole, ("rule", "destination", "segment")))
    return [*found, nothing] if whole else found or [sentence("An event of this type may come in.")]


def _leads(names: Names, used: UsedBy, who: str) -> list[Sentence]:
    """Return what events come to: the rules, destinations and segments that name them."""
    one = who == "It"
    sorts: list[tuple[str, str]] = [
        ("rule", "starts the rule" if one else "start the rule"),
        ("destination", "is sent to" if one else "are sent to"),
        ("segment", "decides on the segment" if one else "decide on the segment"),
    ]
    said: list[Piece] = []
    for resource, verb in sorts:
        users = [names.ref(*key) for key in used(resource)]
        if users:
            many = "s" if len(users) > 1 and resource != "destination" else ""
            said.append([f"{verb}{many} ", listed(users)])
    if not said:
        return []
    joined: list[Piece] = []
    for place, piece in enumerate(said):
        joined += [("; and it " if one else "; and they ") if place else "", piece]
    return [sentence(f"{who} ", joined, ".")]


def redirect(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    host = _host(words(source.get("url")))
    return [
        sentence(
            "A click on its link is told as ",
            of_type(names, source.get("event_type")),
            " from ",
            _source(names, source.get("source")),
            ", and leads on to ",
            code(host) if host else "another page",
            ".",
        )
    ]


def _source(names: Names, value: object) -> Piece:
    source_id, copied = named(value)
    return names.ref("event-source", source_id, copied) if source_id else "no named source"


def _host(url: str) -> str:
    """Return the host of an address: its path and query may tell what is nobody's business."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def reshaping(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    shape = inner(source, "reshaping", "reshape_schema")
    written = [
        code(f"{part}.{member}" if part != "properties" else member)
        for part in ("properties", "context", "session")
        if isinstance(held := inner(shape, part), Mapping)
        for member in held
    ]
    when = condition(inner(source, "reshaping", "condition"), names)
    return [
        sentence(
            "When ",
            comes(names, source.get("event_type"), source.get("event_source")),
            [", and ", when] if when else "",
            ", it is rewritten before it is kept",
            [": it then has ", listed(written)] if written else "",
            ".",
        )
    ]


def validation(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    schema = inner(source, "validation", "json_schema")
    wanted: list[Part] = []
    simple = isinstance(schema, Mapping)
    for path, rules in schema.items() if isinstance(schema, Mapping) else ():
        if not isinstance(rules, Mapping):
            simple = False
            continue
        prefix = "" if path == "event@properties" else f"{path}."
        wanted += [code(f"{prefix}{one}") for one in items(rules.get("required")) if words(one)]
        simple = simple and set(rules) <= {"type", "required"}
    when = condition(inner(source, "validation", "condition"), names)
    return [
        sentence(
            "Each ",
            of_type(names, source.get("event_type"), "event"),
            " is checked",
            [" where ", when] if when else "",
            [": it must have ", listed(wanted)] if wanted else "",
            ", and fit more rules than that" if wanted and not simple else "",
            ".",
        )
    ]


def to_profile(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    pairs: list[list[Piece]] = [
        [code(taken), " becomes ", field(f"profile@{kept.removeprefix('profile@')}")]
        for one in items(source.get("event_to_profile"))
        if (taken := referred(inner(one, "event"))) and (kept := referred(inner(one, "profile")))
    ]
    shown: list[Piece] = []
    for place, pair in enumerate(pairs[:3]):
        shown += [", " if place else "", pair]
    if len(pairs) > 3:
        shown.append(f", and {len(pairs) - 3} more")
    return [
        sentence(
            "What ",
            of_type(names, source.get("event_type")),
            " tells goes into the visitor's profile",
            [": ", shown] if shown else "",
            ".",
        )
    ]


def identification(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    pairs: list[list[Piece]] = [
        [field(told), " with ", field(known)]
        for one in items(source.get("fields"))
        if (told := referred(inner(one, "event_property")))
        and (known := referred(inner(one, "profile_trait")))
    ]
    shown: list[Piece] = []
    for place, pair in enumerate(pairs[:3]):
        shown += [", and " if place else "", pair]
    return [
        sentence(
            "When ",
            comes(names, source.get("event_type"), source.get("source")),
            ", the visitor is looked for among those who are known",
            [", by comparing ", shown] if shown else "",
            ", and more" if len(pairs) > 3 else "",
            ".",
        )
    ]


def event_tags(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    tags = [code(tag) for one in _split(source.get("tags")) if (tag := words(one))]
    if not tags:
        return [sentence("Gives no tag to ", of_type(names, source.get("type")), ".")]
    return [
        sentence(
            "Each ",
            of_type(names, source.get("type"), "event"),
            f" carries the tag{'s' if len(tags) > 1 else ''} ",
            listed(tags),
            ".",
        )
    ]


def _split(value: object) -> list[Any]:
    return value.split(",") if isinstance(value, str) else items(value)


def consent_type(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    default = words(source.get("default_value")).lower()
    said = {
        "grant": "Until a visitor says otherwise, it counts as given",
        "deny": "Until a visitor agrees, it counts as refused",
    }.get(default, "A visitor may agree to it")
    lapses = words(source.get("auto_revoke"))
    span = _SPAN.fullmatch(lapses)
    after: Piece = ""
    if span is not None:
        number = int(span[1])
        after = f"; it lapses after {number:,} {_SPANS[span[2]]}{'' if number == 1 else 's'}"
    elif lapses:
        after = ["; it lapses after ", code(lapses)]
    return [
        sentence(
            said,
            "; it is required" if source.get("required") is True else "",
            "; it cannot be taken back" if source.get("revokable") is False else "",
            after,
            ".",
        )
    ]


def compliance(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    acts = {"remove": "is removed", "hash": "is made unreadable (hashed)"}
    found: list[Piece] = []
    for setting in items(source.get("settings")):
        path, action = referred(inner(setting, "field")), words(inner(setting, "action"))
        consents = names.refs("consent-type", inner(setting, "consents"))
        if not path or not action:
            continue
        act: Piece = acts.get(action.lower()) or ["is treated by ", code(action)]
        to = ["unless the visitor agreed to ", listed(consents)] if consents else "always"
        found += ["; " if found else "", field(path), " ", act, " ", to]
    event = of_type(names, source.get("event_type"))
    if not found:
        return [sentence("Says nothing about what ", event, " may tell.")]
    return [sentence("Of ", event, ", ", found, ".")]
