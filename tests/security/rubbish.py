"""Rubbish for addresses and forms, and which names of parameters and fields take it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import strategies as st

from tests.security.world import ELSEWHERE, HERE

ROOT: Final = Path(__file__).parents[2]
# What has broken something somewhere before.
KNOWN: Final = (
    "",
    " ",
    "\0",
    "a\0b",
    "%00",
    "-1",
    "0",
    "1",
    str(2**31),
    str(2**63),
    str(2**64),
    "9" * 18,
    "9" * 400,
    "9" * 5000,
    "-" + "9" * 30,
    "1e400",
    "NaN",
    "inf",
    "\u0663",
    "\u00b2",
    "\u2460",
    "\ud800",
    "\udfff\ud800",
    "\u202e\u0000",
    "\U0001f0a1" * 60,
    "e\u0301" * 300,
    "../../../etc/passwd",
    "..%2f..%2f",
    "a/b/c",
    "\\",
    "'\"><script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "${jndi:x}",
    "*",
    "?",
    "_all",
    "a,b",
    "<>|",
    "#",
    "null",
    "true",
    "[]",
    '{"a": [1, {"b": null}]}',
    "[" * 3000,
    "x" * 20_000,
    "\n" * 500,
    "0000-00-00",
    "0001-01-01T00:00",
    "0001-01-01",
    "9999-12-31",
    "9999-12-31T23:59:59.999999-23:59",
    "2020-02-30T25:61",
    "2020-01-01T00:00+99:99",
    "00000000-0000-0000-0000-000000000000",
    ":",
    "::",
    ":now",
    f"{HERE}-staging:",
    f"{HERE}-staging:0",
    f"{HERE}-staging:-1",
    f"{HERE}-staging:1",
    f"{HERE}-staging:\u0661",
    f"{HERE}-staging:" + "9" * 30,
    f"{HERE}-staging:" + "9" * 5000,
    f"{HERE}-staging:g" + "9" * 30,
    f"{HERE}-staging:g",
    f"{HERE}-staging:live",
    f"{HERE}-staging:now",
    f"{ELSEWHERE}-staging:1",
    "flow",
    "flow/f1",
    "no-such-resource",
    "f1",
    "approved",
    "needs",
    "compose",
)
# Both halves of a pair alone too: a browser cannot send them, and a program can.
TEXT: Final = st.one_of(
    st.sampled_from(KNOWN),
    st.text(st.characters(codec=None), max_size=40),
    st.integers().map(str),
)
# More than of a form that is left whole: which of a pair counts, a view must not guess.
PAIRS: Final = st.integers(min_value=0, max_value=5)


def encoded(text: str) -> str:
    """Return a text as a part of an address, halves of surrogate pairs included."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def _source(pattern: str) -> set[str]:
    found: set[str] = set()
    for app in ("accounts", "environments", "promotion", "tracardi_console"):
        for path in (ROOT / app).rglob("*.py"):
            found |= set(re.findall(pattern, path.read_text()))
    return found


# What any view reads of an address or of a form by a name; what forms read, their pages tell.
PARAMETERS: Final = sorted(
    _source(r'GET\.get(?:list)?\("(\w+)"')
    | _source(r'Filter\(\s*"(\w+)"')
    | {"q", "page", "since", "until", "group", "o", "p", "all", "e", "next", "at"}
    | {"_popup", "_to_field", "_changelist_filters", "id__exact", "cluster__name", "password"}
)
SENT: Final = sorted(
    _source(r'POST\.get(?:list)?\("(\w+)"')
    | _source(r"\n    (\w+)(?:: \w+)? = (?:forms\.)?\w*Field\(")
    | {"_save", "_continue", "action"}
)


def patterns(resolver: URLResolver, prefix: str = "", path: str = "/") -> dict[str, str]:
    """Return the paths of all routes, with their converters, by name."""
    found: dict[str, str] = {}
    for one in resolver.url_patterns:
        here = path + str(one.pattern).removeprefix("^").removesuffix("$")
        if isinstance(one, URLResolver):
            inner = f"{one.namespace}:" if one.namespace else ""
            found |= patterns(one, prefix + inner, here)
        elif isinstance(one, URLPattern):
            found[f"{prefix}{one.name or one.pattern}"] = here
    return found


PATHS: Final = patterns(get_resolver())
_PLACE = re.compile(r"<[^>]+>|\(\?P<.*?\)")


def places(name: str) -> int:
    """Return how many arguments the path of a route has."""
    return len(_PLACE.findall(PATHS[name]))


def filled(name: str, arguments: list[str]) -> str:
    """Return the path of a route with arguments as they are, whether they fit or not."""
    given = iter(arguments)
    return _PLACE.sub(lambda _: encoded(next(given)), PATHS[name])


class Forms(HTMLParser):
    """Collects of a page the fields of its forms that are sent by POST, by their address."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.found: dict[str, dict[str, list[str]]] = {}
        self._open: dict[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts: dict[str, Any] = dict(attrs)
        if tag == "form":
            self._open = None
            if (facts.get("method") or "get").lower() == "post":
                address = urlsplit(facts.get("action") or self.page).path
                self._open = self.found.setdefault(address, {})
        elif self._open is not None and tag in {"input", "select", "textarea", "button"}:
            name = facts.get("name") or "csrfmiddlewaretoken"
            if name != "csrfmiddlewaretoken":
                self._open.setdefault(name, []).append(facts.get("value") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
