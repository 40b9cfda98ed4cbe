"""What changed in a document, in words for people.

The sentences go behind the document's name: "now enabled", "node “Send mail” added after “API
call”". Nothing here knows a secret: what it is given is masked.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from environments.documents import ENCODED_FIELDS
from environments.masking import is_masked, shown
from environments.visible import visible
from promotion.engine import flow_words
from promotion.engine.diff import Change
from promotion.engine.fields import FieldChange, Path

LONGEST: Final = 60
# So much of what two long texts have in common is said before they differ.
_LEAD: Final = 15
# Steps that say nothing to a person who knows what kind of document it is.
_SILENT: Final = frozenset({"init", "properties", "metadata", "data", "spec"})
# What a switch says when it is on, and when it is off.
_SWITCHES: Final[Mapping[str, tuple[str, str]]] = {
    "enabled": ("now enabled", "now disabled"),
    "deployed": ("now deployed", "no longer deployed"),
    "locked": ("now locked", "no longer locked"),
    "lock": ("now locked", "no longer locked"),
}


@dataclass(frozen=True)
class Sentence:
    """One change in words. `place` is that of its field, for a link; empty where it has none.

    `aside` says that it concerns a version that does not run: a flow's draft or backup.
    """

    text: str
    place: str = ""
    aside: bool = False


def sentences(
    resource: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    changes: Sequence[FieldChange],
) -> list[Sentence]:
    """Return what a person would say of the changes, noise left out.

    `before` and `after` are the versions that `changes` were made from.
    """
    real = [one for one in changes if not one.noise]
    if before is None or after is None:
        return []
    found: list[Sentence] = []
    if resource == "flow":
        for version in ENCODED_FIELDS["flow"]:
            inner = [one for one in real if one.path[0] == version]
            real = [one for one in real if one.path[0] != version]
            # Each version repeats the flow's name and what else is said of it.
            said = [one.path for one in real]
            inner = [one for one in inner if one.path[1:] not in said]
            found += _of_version(version, before.get(version), after.get(version), inner)
    everything = [*_plain(real), *_without_echo(found)]
    return [replace(one, text=visible(one.text)) for one in everything]


def _of_version(
    version: str, before: object, after: object, changes: Sequence[FieldChange]
) -> Iterator[Sentence]:
    aside = version != "production"
    lead = f"{version}: " if aside else ""
    if not changes:
        return
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        what = "there now" if isinstance(after, Mapping) else "gone"
        yield Sentence(f"{version} version {what}", version, aside)
        return
    graph = [one for one in changes if one.path[1:2] == ("flowGraph",)]
    rest = [one for one in changes if one.path[1:2] != ("flowGraph",)]
    for text, place in flow_words.of_graph(before, after, graph, value=words_of, turned=turned):
        yield Sentence(lead + text, place, aside)
    for sentence in _plain(rest, skip=1):
        yield Sentence(lead + sentence.text, sentence.place, aside)


def _without_echo(found: Sequence[Sentence]) -> Iterator[Sentence]:
    """Yield the sentences; where the draft changed as production did, say just that."""
    running = {one.text for one in found if not one.aside}
    draft = {one.text.removeprefix("draft: ") for one in found if one.text.startswith("draft: ")}
    echo = bool(draft) and draft == running
    for one in found:
        if echo and one.text.startswith("draft: "):
            continue
        yield one
    if echo:
        yield Sentence("the draft changed likewise", "draft", aside=True)


def _plain(changes: Iterable[FieldChange], skip: int = 0) -> Iterator[Sentence]:
    """Yield a sentence for each change of a field; items that came or went share one a list."""
    lists: dict[Path, list[FieldChange]] = {}
    for one in changes:
        if one.path[-1].startswith("[") and one.kind is not Change.CHANGED:
            lists.setdefault(one.path[:-1], []).append(one)
        elif one.path == ("name",) and isinstance(one.before, str) and isinstance(one.after, str):
            yield Sentence(f"renamed from “{one.before}” to “{one.after}”", one.place)
        else:
            yield Sentence(_sentence(one, skip), one.place)
    for path, items in lists.items():
        said = [
            f"{'added' if one.kind is Change.ADDED else 'removed'} "
            + words_of(one.after if one.kind is Change.ADDED else one.before)
            for one in items
        ]
        yield Sentence(f"{label(path, skip)}: {', '.join(said)}", items[0].place)


def _sentence(one: FieldChange, skip: int) -> str:
    name = label(one.path, skip)
    if one.path[-1] in _SWITCHES and isinstance(one.after, bool):
        on, off = _SWITCHES[one.path[-1]]
        where = label(one.path[:-1], skip) if len(one.path) > skip + 1 else ""
        return f"{where}: {on if one.after else off}" if where else (on if one.after else off)
    if is_masked(one.before) or is_masked(one.after):
        return f"{name}: {secret_words(one.before, one.after)}"
    if one.kind is Change.ADDED:
        return f"{name}: {words_of(one.after)} (new)"
    if one.kind is Change.REMOVED:
        return f"{name} removed (was {words_of(one.before)})"
    said = turned(one.before, one.after)
    return f"{name}: {said}" if "→" in said else f"{name} {said}"


def secret_words(before: object, after: object) -> str:
    """Return what became of a secret, which is not shown: set, cleared or changed."""
    if not before:
        return "secret set"
    return "secret changed" if after else "secret cleared"


def label(path: Path, skip: int = 0) -> str:
    """Return a field's place as people read it, without the first `skip` steps."""
    steps = list(path[skip:])
    # `destination.destination.init.timeout` of a destination: the field that is encoded.
    said = [
        step.replace("_", " ").strip() for step in steps if step not in _SILENT or len(steps) == 1
    ]
    found = ""
    for step in said or [step.replace("_", " ") for step in steps]:
        if step.startswith("[#"):
            found += f" “{step[2:-1]}”"
        elif step.startswith("["):
            found += f" {int(step[1:-1].removeprefix('was ')) + 1}"
        else:
            found += f" / {step}" if found else step
    return visible(found.strip())


def words_of(value: object) -> str:
    """Return a value as people read it, cut where it is long."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return f"“{_cut(shown(value))}”" if not is_masked(value) else shown(value)
    if isinstance(value, Mapping):
        name = value.get("name") or value.get("id")
        if isinstance(name, str) and name:
            return f"“{_cut(shown(name))}”"
    if isinstance(value, Mapping | list) and not value:
        return "nothing"
    return _cut(shown(json.dumps(value, ensure_ascii=False)))


def turned(before: object, after: object) -> str:
    """Return what a value was and is, in words; of long texts, where they begin to differ."""
    if isinstance(before, str) and isinstance(after, str):
        texts = [" ".join(shown(text).split()) for text in (before, after)]
        same = next(
            (n for n, (one, other) in enumerate(zip(*texts, strict=False)) if one != other),
            min(map(len, texts)),
        )
        if max(map(len, texts)) > LONGEST and same > _LEAD:
            start = same - _LEAD
            before, after = (f"…{text[start:]}" for text in texts)
    was, now = words_of(before), words_of(after)
    return "changed" if was == now else f"{was} → {now}"


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else f"{flat[: LONGEST - 1]}…"
