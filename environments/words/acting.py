"""Sentences about what is done: rules, flows, segments, destinations, and what they call.

Pure: no Django, no I/O. As in `environments.words.events`, any document yields a sentence.
"""

from environments.words.conditions import condition
from environments.words.events import Source, UsedBy, comes
from environments.words.flows import FlowFacts
from environments.words.names import Names
from environments.words.parts import Piece, Sentence, code, listed, sentence
from environments.words.reading import inner, named, words


def rule(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    sort = words(source.get("type"))
    segment_id, segment_name = named(source.get("segment"))
    when: list[Piece]
    if sort == "segment-add":
        segment: Piece = "a segment that is not named"
        if segment_id:
            segment = names.ref("segment", segment_id, segment_name)
        when = ["a visitor is added to ", segment]
    elif sort in ("", "event-collect"):
        when = comes(names, source.get("event_type"), source.get("source"))
    else:
        when = ["it is time for ", code(sort)]
    consents = names.refs("consent-type", inner(source, "properties", "consents"))
    flow_id, flow_name = named(source.get("flow"))
    return [
        sentence(
            "When ",
            when,
            [", and the visitor agreed to ", listed(consents)] if consents else "",
            ", run ",
            names.ref("flow", flow_id, flow_name) if flow_id else "nothing: no flow is named",
            ".",
        )
    ]


def segment(source: Source, names: Names, key: str) -> list[Sentence]:
    name = names.of(("segment", key))
    when = condition(source.get("condition"), names)
    types = names.refs("event-management", source.get("eventType"))
    if not when:
        return [sentence("No condition says who belongs to ", name, ".")]
    return [
        sentence(
            "A visitor belongs to ",
            name,
            " when ",
            when,
            " \N{EM DASH} looked at after ",
            listed(types, "or") if types else "every event",
            ".",
        )
    ]


def live_segment(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    sort = words(source.get("type"))
    flow_id, flow_name = named(source.get("workflow"))
    if sort == "workflow":
        flow: Piece = "no flow, as none is named,"
        if flow_id:
            flow = names.ref("flow", flow_id, flow_name)
        return [sentence("At regular times, ", flow, " runs for the visitors.")]
    segment_id, segment_name = named(source.get("segment"))
    into: Piece = "a segment that is not named"
    if segment_id:
        into = names.ref("segment", segment_id, segment_name)
    when = condition(source.get("condition"), names)
    operation = words(source.get("operation")).lower()
    does = {"add": "added to ", "remove": "taken out of "}.get(operation, "looked at for ")
    if sort == "condition":
        return [
            sentence(
                f"At regular times, a visitor is {does}",
                into,
                [" when ", when] if when else ", without a condition",
                ".",
            )
        ]
    return [sentence("At regular times, code of its own decides who belongs to ", into, ".")]


def destination(source: Source, names: Names, _used: UsedBy) -> list[Sentence]:
    resource_id, resource_name = named(source.get("resource"))
    to: Piece = "nowhere: no resource is named"
    if resource_id:
        to = names.ref("resource", resource_id, resource_name)
    when = condition(source.get("condition"), names)
    is_profile = source.get("on_profile_change_only") is not False
    begins: Piece = "a visitor's profile changes"
    if not is_profile:
        begins = comes(names, source.get("event_type"), source.get("source"))
    return [
        sentence(
            "When ",
            begins,
            [", and ", when] if when else "",
            ", send the profile to " if is_profile else ", send it to ",
            to,
            ".",
        )
    ]


def resource(source: Source, _names: Names, _used: UsedBy) -> list[Sentence]:
    sort = words(source.get("type"))
    return [sentence("A connection to another system", [", by ", code(sort)] if sort else "", ".")]


def flow(names: Names, used: UsedBy, facts: FlowFacts | None) -> list[Sentence]:
    """Return what starts a flow and what it does; without facts, only the first."""
    starts: list[Piece] = []
    for kind, word in (("rule", "rule"), ("live-segment", "live segment")):
        users = [names.ref(*key) for key in used(kind)]
        if users:
            many = "s" if len(users) > 1 else ""
            starts.append([" and by" if starts else "", f" the {word}{many} ", listed(users)])
    found = []
    if starts:
        found.append(sentence("Started by", starts, "."))
    elif names.is_whole("rule") and names.is_whole("live-segment"):
        found.append(sentence("No rule starts it."))
    if facts is not None:
        found.append(_does(names, facts))
    return found or [sentence("A flow.")]


def _does(names: Names, facts: FlowFacts) -> Sentence:
    if facts.steps is None:
        return sentence("What runs of it cannot be read.")
    if not facts.steps:
        return sentence("Nothing of it is deployed, so it does nothing.")
    said: list[Piece] = []
    both = [one for one in facts.adds if one in facts.removes]
    for verb, ids in (
        ("adds the visitor to ", [one for one in facts.adds if one not in both]),
        ("takes the visitor out of ", [one for one in facts.removes if one not in both]),
        ("adds the visitor to, or takes the visitor out of, ", both),
        ("looks at ", facts.names),
    ):
        if ids:
            said.append([verb, listed([names.ref("segment", one) for one in ids])])
    calls = [names.ref(kind, one) for kind, one in facts.others if kind == "resource"]
    if calls:
        said.append(["calls ", listed(calls)])
    steps = "1 step" if facts.steps == 1 else f"{facts.steps:,} steps"
    joined: list[Piece] = []
    for place, piece in enumerate(said):
        last = place == len(said) - 1
        joined += [", and " if last else ", ", piece]
    return sentence(f"It has {steps}", joined, ".")
