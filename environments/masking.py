"""A document as a person may see it: decoded, with every secret replaced by a mask.

Pure: no Django, no I/O. Where secrets live is from docs/tracardi.md. In doubt a value is masked:
a reviewer can do without it, and a secret that was shown cannot be taken back.

Two secrets look alike when they are masked. Where it matters whether one changed, a mask carries a
tag: a digest that only who has the key can make (`tagged`), so that it tells equal from different
and nothing else. A tag is for comparing; people are shown the mask alone (`shown`).
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from environments.documents import ENCODED_FIELDS, canonical, decoded
from environments.visible import visible

MASK: Final = "••••••"
_TAG_DIGITS: Final = 16
_TAGGED: Final = re.compile(rf"{MASK}·[0-9a-f]{{{_TAG_DIGITS}}}")
# What a secret value is replaced with.
Hide: TypeAlias = Callable[[object], str]

# Fields that are secret as a whole.
_SECRET_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "resource": ("credentials",),
    "setting": ("content", "config"),
}
# Fields that are an address which visitors are led to.
_ADDRESSES: Final[Mapping[str, tuple[str, ...]]] = {"event-redirect": ("url",)}
# Tracardi copies a remote plugin's own credentials here, under keys of the plugin's choice.
_PLUGIN_CREDENTIALS: Final = ("microservice", "plugin", "resource")

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TELLING_WORDS: Final = re.compile(
    "auth|bearer|dsn|headers?|jwt|keys?|oauth|otp|pass|pin|pwd|salt|sig|signature|webhooks?"
)
_TELLING_PARTS: Final = (
    "password|passwd|passphrase|secret|token|credential|cookie|authoriz|authentic|"
    "(?:api|access|private|public|shared|account)[-_ ]?key"
)
_TELLING_PART: Final = re.compile(_TELLING_PARTS)
# What ends the name of a link to another document, such as `token_resource`.
_LINKS: Final = ("resource", "source")

# Secrets that give themselves away in a text, whatever its key is.
_SECRET_TEXT: Final = re.compile(
    # password=…, "token": …; but not a comparison, `token == …`
    rf"""(?:{_TELLING_PARTS})\w{{0,40}}\\*["']?\s{{0,9}}[:=](?!=)\s{{0,9}}[^\s]"""
    r"|[?&](?:key|code|sig|auth|pass|pwd)="
    r"|\bbearer\s+[\w.~+/=-]{8}"
    r"|\bbasic\s+(?=[A-Za-z+/]{0,80}[0-9=])[A-Za-z0-9+/]{8}"
    r"|://[^/\s@:]{0,200}:[^/\s@]{1,500}@"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY"
    r"|\beyJ[\w-]{8,999}\.[\w-]{1,9999}\."
    r"|\b[spr]k_(?:live|test)_\w|\bAKIA[0-9A-Z]{12}|\bgh[pousr]_\w{16}|\bxox[a-z]-\w"
    r"|\bAIza[\w-]{20}|\bSG\.[\w-]{12}|\b[0-9]{8,10}:[\w-]{30}"
    # gzip in base64, in a field that is not known to be encoded
    r"|\bH4sI[A-Za-z0-9+/]{8}"
    # addresses that are a secret themselves: who knows one may post to it
    r"|hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks|api\.telegram\.org/bot"
    r"|\bhooks?\.zapier\.com/|\bhook\.(?:[\w-]{1,40}\.)?(?:make|integromat)\.com/"
    r"|\.webhook\.office\.com/|\boutlook\.office(?:365)?\.com/webhook"
    r"|\bmaker\.ifttt\.com/|\bwebhook\.site/"
    # a part that is no word: eight letters with a digit, or twenty of any
    r"|/(?:web)?hooks?/(?:[\w.~-]{1,60}/){0,5}"
    r"(?:(?=[\w~-]{0,60}[0-9])[\w~-]{8}|[a-z0-9]{20})",
    re.IGNORECASE,
)
_TELLING_TEXT: Final = re.compile(rf"{_TELLING_PARTS}|headers?\b|\bbody\b", re.IGNORECASE)

# What an address hands over: what is behind each `?`, `&`, `;` and `#`, without its name.
_HANDED_OVER: Final = re.compile(r"([?&;#])([^=?&;#]*+=)?([^?&;#]*+)")
# The names by which campaigns are counted: they are written for everybody to see.
_CAMPAIGN: Final = "utm_"

# A text in quotes, which may be escaped themselves, or never closed.
_LITERAL: Final = (
    r"""(?:"(?:[^"\\]|\\.?)*+(?:"|\Z)|'(?:[^'\\]|\\.?)*+(?:'|\Z)"""
    r"""|\\++"(?:[^"\\]|\\++(?!["\\]))*+(?:\\*+"|\Z))"""
)
_QUOTED: Final = re.compile(_LITERAL, re.DOTALL)
# A field that is compared with what is written beside it, as Tracardi's conditions do and code
# does: also inside a function, with several texts, and `== 1234`.
_COMPARED: Final = re.compile(
    r"""(?<![\w@.$-])(?P<field>[\w@.$-]++)[)\]"'\\\s]*+"""
    r"(?:(?P<equal>[=!]==?)|=~|[<>]=?|=[<>]|CONTAINS|STARTS\s+WITH|ENDS\s+WITH|BETWEEN)"
    r"\s*+(?:[\w.]{0,40}[(\[]\s*+)?"
    rf"(?P<value>{_LITERAL}(?:\s*+(?:,|AND)\s*+{_LITERAL})*+|(?P<number>[+-]?[0-9][\w.]*+))",
    re.IGNORECASE | re.DOTALL,
)

_Path: TypeAlias = tuple[str, ...]


def _is_secret_key(key: str, value: object, path: _Path) -> bool:
    return _tells(key, isinstance(value, Mapping), "init" in path)


# Documents have the same few keys over and over.
@lru_cache(maxsize=10_000)
def _tells(key: str, holds_more: bool, in_init: bool) -> bool:
    words = [word.lower() for word in _WORD.findall(key)]
    if words and words[-1] in _LINKS and holds_more:
        return False
    if _TELLING_PART.search(key.lower()) or "".join(words).endswith(("key", "keys")):
        return True
    # Elsewhere `body` is an ordinary word, such as a property in a validation's schema.
    return any(map(_TELLING_WORDS.fullmatch, words)) or (in_init and "body" in words)


def _is_secret_pair(value: Mapping[str, Any], path: _Path) -> bool:
    """Say whether this is one secret as a pair, such as {"name": "X-Token", "value": "…"}."""
    labels = (value.get(label) for label in ("name", "key", "id", "field"))
    return any(isinstance(label, str) and _is_secret_key(label, "", path) for label in labels)


def _is_telling_field(path: str) -> bool:
    """Say whether a field is named as one that holds a secret, as `event@properties.token` is."""
    return any(_tells(step, False, False) for step in re.split(r"[@.$]", path))


class _Masker:
    """Masks the secrets of one document; `hide` makes the masks."""

    def __init__(self, hide: Hide) -> None:
        self.hide = hide

    def all(self, value: object) -> object:
        """Return `value` with every leaf masked; that one is empty, or a switch, is no secret."""
        if isinstance(value, Mapping):
            return {key: self.all(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.all(inner) for inner in value]
        return (
            value if value is None or value == "" or isinstance(value, bool) else self.hide(value)
        )

    def text(self, text: str, path: _Path) -> str:
        """Return `text`, or its JSON with masked leaves, or the mask."""
        if text.lstrip()[:1] in ("{", "["):
            try:
                plain = json.loads(text)
            except ValueError:
                # A template, for example: its structure is unknown, so one word is enough.
                return self.hide(text) if _TELLING_TEXT.search(text) else self.plain(text)
            shown = self.value(plain, path)
            if shown != plain:
                return json.dumps(shown, ensure_ascii=False)
            # The text may hold a key twice, of which `plain` has only the last.
        return self.plain(text)

    def plain(self, text: str) -> str:
        """Return a text without structure, with its conditions' secrets masked, or the mask."""
        # Most texts are names and ids: what compares has one of these.
        shown = self.compared(text) if any(sign in text for sign in "\"'=") else text
        return self.hide(text) if _SECRET_TEXT.search(shown) else shown

    def compared(self, text: str) -> str:
        """Return a text with what is compared with a field masked, where that is a secret one."""
        parts: list[str] = []
        done = place = 0
        while found := _COMPARED.search(text, place):
            # What is in the quotes of another comparison may be one itself.
            place = found.end("field")
            # That a length is more than 8 is no secret, that a number is 1234 may be.
            if _is_telling_field(found["field"]) and (found["equal"] or not found["number"]):
                value = found["value"]
                hidden = self.hide(value) if found["number"] else _QUOTED.sub(self.literal, value)
                parts += [text[done : found.start("value")], hidden]
                done = place = found.end()
        return "".join([*parts, text[done:]])

    def literal(self, found: re.Match[str]) -> str:
        """Return a text in quotes that is masked between them; empty it is no secret."""
        quote = found[0].lstrip("\\")[0]
        inner = found[0].strip("\\" + quote)
        return f"{quote}{self.hide(inner)}{quote}" if inner else found[0]

    def address(self, url: str) -> str:
        """Return an address that visitors are led to, with what it hands over masked."""

        def handed_over(found: re.Match[str]) -> str:
            sign, name = found[1], found[2] or ""
            is_open = not found[3] or name.lower().startswith(_CAMPAIGN)
            return found[0] if is_open else f"{sign}{name}{self.hide(found[3])}"

        return url if is_masked(url) else _HANDED_OVER.sub(handed_over, url)

    def members(self, value: Mapping[str, Any], path: _Path) -> dict[str, Any]:
        pair = "value" in value and _is_secret_pair(value, path)
        return {
            key: self.all(inner)
            if _is_secret_key(key, inner, path)
            or (pair and key == "value")
            or (*path, key)[-3:] == _PLUGIN_CREDENTIALS
            else self.value(inner, (*path, key))
            for key, inner in value.items()
        }

    def value(self, value: object, path: _Path) -> object:
        if isinstance(value, Mapping):
            return self.members(value, path)
        if isinstance(value, list):
            return [self.value(inner, path) for inner in value]
        return self.text(value, path) if isinstance(value, str) else value

    def field(self, resource: str, name: str, value: object) -> object:
        if name in ENCODED_FIELDS.get(resource, ()):
            value = decoded(resource, {name: value})[name]
            if isinstance(value, str) and value:
                # It could not be decoded, or holds no structure to judge by.
                return self.hide(value)
        if name in _SECRET_FIELDS.get(resource, ()):
            return self.all(value)
        # One member at a time, so that the top level is judged like every other.
        shown = self.members({name: value}, ())[name]
        if name in _ADDRESSES.get(resource, ()) and isinstance(shown, str):
            return self.address(shown)
        return shown


def masked(
    resource: str, source: Mapping[str, Any], hide: Hide = lambda _value: MASK
) -> dict[str, Any]:
    """Return a copy of `source`, decoded, with each secret leaf replaced by what `hide` returns.

    Keys and structure stay. What cannot be decoded or read is masked as a whole field, never
    raised. Only leaves are masked: a secret used as a *key* is shown.
    """
    masker = _Masker(hide)
    found: dict[str, Any] = {}
    for name, value in source.items():
        # A DocumentError is a ValueError.
        try:
            found[name] = masker.field(resource, name, value)
        except (ValueError, RecursionError):
            found[name] = _hidden(hide, value)
    return found


def _hidden(hide: Hide, value: object) -> str:
    try:
        return hide(value)
    except (ValueError, RecursionError):
        # Too deep for a digest too.
        return MASK


def tagged(key: bytes) -> Hide:
    """Return what masks a secret with a tag, equal where the secret is. `key` is secret itself."""

    def hide(value: object) -> str:
        digest = hmac.new(key, canonical(value), hashlib.sha256).hexdigest()
        return f"{MASK}·{digest[:_TAG_DIGITS]}"

    return hide


def shown(text: str) -> str:
    """Return a text as people see it: masks without their tags, and nothing that hides."""
    return visible(_TAGGED.sub(MASK, text))


def is_masked(value: object) -> bool:
    """Answer whether a value is nothing but a mask, tagged or not."""
    return isinstance(value, str) and shown(value) == MASK
