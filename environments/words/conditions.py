"""Tracardi's conditions in words, where that is surely the same; else as they are written.

Pure: no Django, no I/O. The grammar is Tracardi's own, `process_engine/tql/grammar/uql_expr.lark`:
a field, an operator and a value, joined by AND or by OR. Brackets and functions stay as they are:
a sentence that says something else than Tracardi does is worse than none.
"""

import re
from typing import Final

from environments.masking import MASK
from environments.words.names import Names
from environments.words.parts import Piece, code

_FIELD: Final = r"(?:session|event|profile)@[a-zA-Z0-9._-]+"
# A text with a backslash may hold a quote: it is not looked into.
_VALUE: Final = rf'(?:"[^"\\]*"|[+-]?[0-9]*\.?[0-9]+(?![\w.])|(?:true|false)\b|{_FIELD})'
_TERM: Final = re.compile(
    rf"\s*(?P<field>{_FIELD})\s*(?:"
    rf"(?P<sign>==|!=|>=|<=|>(?![=<])|<(?![=>]))\s*(?P<value>{_VALUE})"
    rf"|\s(?P<word>CONTAINS|STARTS\ WITH|ENDS\ WITH)\s+(?P<part>\"[^\"\\]*\")"
    rf"|\sBETWEEN\s+(?P<low>[+-]?[0-9]*\.?[0-9]+)\s+AND\s+(?P<high>[+-]?[0-9]*\.?[0-9]+)(?![\w.])"
    rf"|\s(?P<state>IS\ NOT\ NULL|IS\ NULL|NOT\s+EXISTS|EXISTS|NOT\s+EMPTY|EMPTY)\b"
    rf")\s*",
    re.IGNORECASE,
)
_JOIN: Final = re.compile(r"(AND|OR)\s", re.IGNORECASE)
_SIGNS: Final = {
    "==": "is",
    "!=": "is not",
    ">": "is more than",
    ">=": "is at least",
    "<": "is less than",
    "<=": "is at most",
}
_WORDS: Final = {"CONTAINS": "contains", "STARTS WITH": "begins with", "ENDS WITH": "ends with"}
_STATES: Final = {
    "IS NULL": "is empty",
    "IS NOT NULL": "is not empty",
    "EXISTS": "is there",
    "NOT EXISTS": "is not there",
    "EMPTY": "is empty",
    "NOT EMPTY": "is not empty",
}
_OWNERS: Final = {"profile": "visitor", "event": "event", "session": "session"}
_KNOWN: Final = {
    "profile@stats.visits": "the visitor's number of visits",
    "profile@metadata.time.visit.count": "the visitor's number of visits",
    "profile@stats.views": "the visitor's number of page views",
    "event@type": "the event's type",
    "event@source.id": "the event's source",
    "profile@segments": "the visitor's segments",
}
_CONSENT: Final = "profile@consents."
# What a field's values are the ids of.
_IDS: Final = {
    "event@type": "event-management",
    "event@source.id": "event-source",
    "profile@segments": "segment",
}
# Longer ones are no sentence in words either.
_LONGEST: Final = 1_000
MOST_TERMS: Final = 6


def condition(text: object, names: Names) -> list[Piece]:
    """Return a condition in words, or as it is written; empty where there is none."""
    if not isinstance(text, str) or not text.strip():
        return []
    return _translated(text.strip(), names) or [code(text.strip())]


def _translated(text: str, names: Names) -> list[Piece]:
    """Return the condition in words; empty where any part of it cannot be."""
    if len(text) > _LONGEST or MASK in text:
        return []
    found: list[Piece] = []
    joins: set[str] = set()
    place = 0
    while True:
        term = _TERM.match(text, place)
        if term is None:
            return []
        said = _term(term, names)
        if not said:
            return []
        found.append(said)
        place = term.end()
        if place == len(text):
            # Tracardi's own grammar has no order between the two.
            return found if len(joins) < 2 and len(found) <= 2 * MOST_TERMS else []
        join = _JOIN.match(text, place)
        if join is None or not text[place - 1].isspace():
            return []
        joins.add(join[1].lower())
        found.append(f" {join[1].lower()} ")
        place = join.end()


def field(path: str) -> list[Piece]:
    """Return a field in words: whose it is, and its path as it is written."""
    known = _KNOWN.get(path)
    owner, at, rest = path.partition("@")
    if known is not None:
        return [known]
    if not at or owner not in _OWNERS or not rest:
        return [code(path)]
    return [f"the {_OWNERS[owner]}'s ", code(rest)]


def _term(term: re.Match[str], names: Names) -> list[Piece]:
    """Return one comparison in words; empty where it has none that are surely right."""
    path = term["field"]
    if term["sign"] is not None:
        words = _SIGNS[term["sign"]]
        if path == "profile@segments":
            # Of a list Tracardi asks whether the value is in it, but for `==` alone.
            words = "contain" if term["sign"] == "==" else ""
        return [field(path), f" {words} ", _value(path, term["value"], names)] if words else []
    if term["word"] is not None:
        word = _WORDS[term["word"].upper()]
        if path == "profile@segments" and word == "contains":
            word = "contain"
        return [field(path), f" {word} ", _value(path, term["part"], names)]
    if term["low"] is not None:
        return [field(path), " is between ", code(term["low"]), " and ", code(term["high"])]
    state = _STATES[re.sub(r"\s+", " ", term["state"].upper())]
    if path.startswith(_CONSENT) and state in ("is there", "is not there"):
        consent = path.removeprefix(_CONSENT)
        return ["the visitor's consent ", names.ref("consent-type", consent), f" {state}"]
    if path == "profile@segments":
        state = state.replace("is", "are", 1)
    return [field(path), f" {state}"]


def _value(path: str, text: str, names: Names) -> Piece:
    if "@" in text and not text.startswith('"'):
        return field(text)
    inner = text[1:-1] if text.startswith('"') else text
    if text.startswith('"') and inner and path in _IDS:
        return names.ref(_IDS[path], inner)
    # The quotes stay: they tell a text from a number.
    return code(text)
