"""References that lead nowhere, or to what does not work, as findings."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from environments.findings import Finding, Severity
from environments.links import LACKS_ALL, LACKS_PRODUCTION, Link, Links
from promotion.engine.dependencies import Configuration, Key, is_drafted, kind_of, verb_of

# So many documents are named in a finding; it says how many more there are.
MOST_NAMED: Final = 3
# More of one kind are one finding together.
MOST_APART: Final = 20

MISSING: Final = "missing-reference"
GONE: Final = "mention-gone"
OFF: Final = "disabled-reference"
UNDEPLOYED: Final = "undeployed-flow"
NO_PRODUCTION: Final = "no-production-credentials"
NO_CREDENTIALS: Final = "no-credentials"
UNKNOWN_BRIDGE: Final = "unknown-bridge"

_WORDS: Final[Mapping[str, str]] = {
    MISSING: "is missing",
    GONE: "goes",
    OFF: "is disabled",
    UNDEPLOYED: "was never deployed, so it does nothing",
    NO_PRODUCTION: "has credentials for staging and none for production",
    NO_CREDENTIALS: "has no credentials at all",
    UNKNOWN_BRIDGE: "is not installed there",
}
_REMEDIES: Final[Mapping[str, str]] = {
    MISSING: "Bring it along, or let go of it, on staging; then capture or compose again.",
    GONE: "Nothing, where that is meant.",
    OFF: "Enable it on staging, or let go of it; then capture again.",
    UNDEPLOYED: "Deploy the flow on staging, then capture again.",
    NO_PRODUCTION: "Fill in its production credentials on staging, then capture again.",
    NO_CREDENTIALS: "Nothing, where the service asks for none.",
    UNKNOWN_BRIDGE: "Install it in production's Tracardi, or choose another for the source.",
}
# What works without the other, or is said to work: a person decides.
_MILD: Final = (NO_CREDENTIALS,)
# Tracardi refuses to work with a disabled resource; of others it only gets no events.
_STOPPED_BY_DISABLED: Final = ("resource", "flow")


# Its code, how bad, what makes it less so, and what is referred to.
_Group = tuple[str, Severity, str, Key]


@dataclass(frozen=True)
class Problem:
    """One reference that does not work: who refers to what, and what is wrong with it."""

    code: str
    user: Key
    used: Key
    severity: Severity
    name: str = ""
    note: str = ""


def problems(
    configuration: Configuration,
    *,
    bridges: Collection[str] | None = None,
    gone_from: Configuration | None = None,
) -> Iterator[Problem]:
    """Yield each reference that does not work.

    `bridges` are the ids of those that are installed; None where nobody knows. Mentions that
    Tracardi can do without count only where what they mention was in `gone_from`.
    """
    running = _running(configuration)
    for resource in configuration.resources:
        # Most of many refer to the same few: each different set is judged once.
        judged: dict[int, list[tuple[str, Link, Key]]] = {}
        for doc_id, links in configuration.links(resource).items():
            found = judged.get(id(links))
            if found is None:
                found = list(_wrong(configuration, links, bridges, gone_from))
                judged[id(links)] = found
            for code, link, used in found:
                user = (resource, doc_id)
                severity, note = _weigh(code, user, used, links, running)
                yield Problem(code, user, used, severity, link.name, note)


def _running(configuration: Configuration) -> set[str]:
    """Return the ids of the flows that something runs which is not disabled."""
    # Equal links are mostly one object: no rule of many thousand is looked at twice.
    different = {
        id(links): links
        for resource in ("rule", "live-segment")
        for links in configuration.links(resource).values()
    }
    return {
        link.id
        for links in different.values()
        if not links.is_off
        for link in links.to
        if link.resource == "flow" and not link.soft
    }


def _wrong(
    configuration: Configuration,
    links: Links,
    bridges: Collection[str] | None,
    gone_from: Configuration | None,
) -> Iterator[tuple[str, Link, Key]]:
    for link in links.to:
        used = configuration.target(link)
        if link.resource == "bridge":
            if bridges is not None and link.id not in bridges:
                yield UNKNOWN_BRIDGE, link, used
        elif is_drafted(link):
            continue
        elif configuration.entry(used) is None:
            if not link.soft:
                yield MISSING, link, used
            elif gone_from is not None and gone_from.entry(gone_from.target(link)) is not None:
                yield GONE, link, used
        elif not link.soft:
            yield from ((code, link, used) for code in _faults(configuration.links_of(used)))


def _faults(used: Links) -> Iterator[str]:
    if used.is_off:
        yield OFF
    if used.runs_nothing:
        yield UNDEPLOYED
    if used.lacks == LACKS_PRODUCTION:
        yield NO_PRODUCTION
    elif used.lacks == LACKS_ALL:
        yield NO_CREDENTIALS


def _weigh(
    code: str, user: Key, used: Key, links: Links, running: Collection[str]
) -> tuple[Severity, str]:
    """Return how bad a problem is, and what makes it less so."""
    if code == GONE:
        return Severity.INFO, ""
    if links.is_off:
        return Severity.INFO, "disabled"
    mild = code in _MILD or (code == OFF and used[0] not in _STOPPED_BY_DISABLED)
    if user[0] == "flow" and user[1] not in running:
        return Severity.WARNING, "not run"
    return (Severity.WARNING if mild else Severity.ERROR), ""


def findings(
    wanted: Configuration,
    base: Configuration | None = None,
    *,
    bridges: Collection[str] | None = None,
) -> list[Finding]:
    """Return what is wrong with a configuration's references, errors first.

    What `base`, that is what production serves, has in the same way is no news: an error is a
    warning then, so that it does not stand in the way of every later promotion, and a warning is
    told and no more.
    """
    known = (
        {(p.code, p.user, p.used): p.severity for p in problems(base, bridges=bridges)}
        if base is not None
        else {}
    )
    found: dict[_Group, list[Problem]] = {}
    for one in problems(wanted, bridges=bridges, gone_from=base):
        severity, note = one.severity, one.note
        before = known.get((one.code, one.user, one.used))
        if before is Severity.ERROR and severity is Severity.ERROR:
            severity, note = Severity.WARNING, "live"
        elif before is not None and severity is Severity.WARNING:
            severity, note = Severity.INFO, note or "live"
        found.setdefault((one.code, severity, note, one.used), []).append(one)
    return sorted(_worded(wanted, found), key=_order)


_RANK: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def _order(finding: Finding) -> tuple[int, str]:
    return _RANK[finding.severity], finding.code


def _worded(wanted: Configuration, found: Mapping[_Group, list[Problem]]) -> Iterator[Finding]:
    alike = Counter((*group[:3], group[3][0]) for group in found)
    folded: dict[tuple[str, Severity, str, str], list[Problem]] = {}
    for (code, severity, note, used), some in found.items():
        kind = (code, severity, note, used[0])
        if alike[kind] > MOST_APART:
            folded.setdefault(kind, []).extend(some)
            continue
        subject = f"{used[0]}/{used[1]}"
        title = _quoted(wanted.title(used, some[0].name))
        yield Finding(
            f"{code}:{subject}{_mark(note)}",
            severity,
            f"{_one(used[0])} {title} {_WORDS[code]}, and {_users(wanted, used[0], some)} it."
            f"{_note(note, len(some))}",
            _REMEDIES[code],
            subject,
        )
    for (code, severity, note, used_kind), some in folded.items():
        titles = {one.used: _quoted(wanted.title(one.used, one.name)) for one in some}
        yield Finding(
            f"{code}:{used_kind}{_mark(note)}",
            severity,
            f"{len(titles)} {_many(kind_of(used_kind))}, {_listed([*titles.values()])}: each "
            f"{_WORDS[code]}, and {_users(wanted, used_kind, some)} them."
            f"{_note(note, len(some))}",
            _REMEDIES[code],
            used_kind,
        )


def _users(wanted: Configuration, used: str, some: list[Problem]) -> str:
    """Say who refers to something, and how: `rule “A” runs`."""
    users = sorted({one.user for one in some})
    kinds = {user[0] for user in users}
    verbs = {verb_of(kind, used) for kind in kinds}
    verb = verbs.pop() if len(verbs) == 1 else "refers to"
    if len(kinds) > 1:
        names = [f"{kind_of(key[0])} {_quoted(wanted.title(key))}" for key in users[:MOST_NAMED]]
        return f"{_listed(names, len(users))} {_plural(verb)}"
    word = kind_of(users[0][0])
    names = [_quoted(wanted.title(key)) for key in users[:MOST_NAMED]]
    if len(users) == 1:
        return f"{word} {names[0]} {verb}"
    return f"{len(users)} {_many(word)}, {_listed(names, len(users))}, {_plural(verb)}"


def _mark(note: str) -> str:
    """Tell the findings of one kind about one document apart by what they are about."""
    return f":{note.replace(' ', '-')}" if note else ""


def _note(note: str, count: int) -> str:
    them, are = ("It", "is") if count == 1 else ("They", "are")
    return {
        "live": " Production has it in the same way already.",
        "disabled": f" {them} {are} disabled, so nothing comes of it now.",
        "not run": " No rule runs it now." if count == 1 else " No rule runs them now.",
    }.get(note, "")


def _listed(names: list[str], count: int = 0) -> str:
    """Return the first names as a list of words; `count` says how many there are in all."""
    shown = names[:MOST_NAMED]
    rest = (count or len(names)) - len(shown)
    if rest > 0:
        return f"{', '.join(shown)} and {rest} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def _many(word: str) -> str:
    return word if word.endswith("s") else f"{word}s"


def _one(resource: str) -> str:
    word = kind_of(resource)
    return word[0].upper() + word[1:]


def _quoted(title: str) -> str:
    return f"“{title}”"


def _plural(verb: str) -> str:
    """Return a verb for several: the first word loses its -s."""
    first, space, rest = verb.partition(" ")
    stem = first.removesuffix("s")
    return f"{stem}{space}{rest}"
