"""A sentence about a configuration: words, names of documents, and what stays as it is written.

Pure: no Django, no I/O. A template renders the parts, and escapes them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from environments.flowgraph import shown
from environments.ways import Key

# So many names are written out; a sentence with more of them is none.
MOST_NAMED: Final = 5
# What is not translated is shown as it is, up to so many characters.
_LONGEST_CODE: Final = 400
_PUNCTUATION: Final = (".", ",", ";", ":", ")", "?")


@dataclass(frozen=True)
class Part:
    """A piece of a sentence.

    `key` is of the document that it names, empty where there is none to go to; `aside` says what
    keeps that one from working. `is_name` marks a name and `is_code` what is shown as it is.
    """

    text: str
    key: Key | None = None
    is_name: bool = False
    is_code: bool = False
    aside: str = ""


Sentence: TypeAlias = tuple[Part, ...]
Piece: TypeAlias = str | Part | Sequence["Piece"]


def code(text: object) -> Part:
    """Return a text that stays as it is written, cut where it is long."""
    plain = shown(str(text))
    if len(plain) > _LONGEST_CODE:
        plain = f"{plain[:_LONGEST_CODE]}…"
    return Part(plain, is_code=True)


def name(text: str) -> Part:
    """Return a name that leads nowhere."""
    return Part(shown(text), is_name=True)


def sentence(*pieces: Piece) -> Sentence:
    """Return pieces as one sentence; words that follow each other become one part.

    What a name has to say aside stands between commas behind it.
    """
    found: list[Part] = []
    flat = [part for part in _flat(pieces) if part.text]
    for place, part in enumerate(flat):
        _add(found, part)
        if part.aside:
            following = flat[place + 1].text if place + 1 < len(flat) else "."
            comma = "" if following.startswith(_PUNCTUATION) else ","
            _add(found, Part(f", {part.aside}{comma}"))
    return tuple(found)


def _add(found: list[Part], part: Part) -> None:
    plain = not (part.is_name or part.is_code)
    if plain and found and not (found[-1].is_name or found[-1].is_code):
        found[-1] = Part(found[-1].text + part.text)
    else:
        found.append(part)


def _flat(pieces: Iterable[Piece]) -> Iterator[Part]:
    for piece in pieces:
        if isinstance(piece, str):
            yield Part(piece)
        elif isinstance(piece, Part):
            yield piece
        else:
            yield from _flat(piece)


def listed(parts: Sequence[Part], word: str = "and", most: int = MOST_NAMED) -> list[Piece]:
    """Return parts as a list in words: `a, b and c`, or `a, b and 7 more`."""
    shown_ones: list[Piece] = list(parts[:most])
    if len(parts) > most:
        shown_ones.append(f"{len(parts) - most} more")
    found: list[Piece] = []
    for place, piece in enumerate(shown_ones):
        if place:
            found.append(f" {word} " if place == len(shown_ones) - 1 else ", ")
        found.append(piece)
    return found


def plain(parts: Sentence) -> str:
    """Return a sentence as text."""
    return "".join(part.text for part in parts)
