"""What a page that shows payloads may not have become."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from playwright.sync_api import Dialog, Request

from environments.visible import visible
from tests.browser.visiting import ADDRESSES, Visitor
from tests.security.payloads import Places
from tests.security.tally import EXECUTED, PAGES, PAYLOADS, Record

# Everything that executed, became an element or an attribute, or leads to where it should not; and
# what the page says, its title included.
INSPECT: Final = """(addresses) => {
  const wrong = [];
  const own = ["/static/", "/jsi18n/"].map((path) => `${location.origin}${path}`);
  const say = (one, words) => wrong.push(`${words}: ${one.outerHTML.slice(0, 200)}`);
  if (window.__hit !== undefined) wrong.push(`executed: ${window.__hit}`);
  const said = [document.title];
  const hints = [];
  for (const one of document.querySelectorAll("*")) {
    const tag = one.localName;
    if (/^(iframe|object|embed|base|foreignobject|animate|math|applet)$/i.test(tag)) {
      say(one, "an element");
    }
    if (tag === "script" && !one.src && one.type !== "application/json") say(one, "a script");
    if (tag === "script" && one.src && !own.some((path) => one.src.startsWith(path))) {
      say(one, "a script from elsewhere");
    }
    if (tag === "meta" && one.httpEquiv) say(one, "a header");
    for (const {name, value} of one.attributes) {
      if (name === "id" && /^hit-/.test(value)) say(one, "an element of a payload");
      if (/^on/.test(name) || name === "style" && /hit-/.test(value)) say(one, name);
      // A part of the page that is loaded again has the page's own address.
      const again = /^hx-(get|post)$/.test(name) && /^[/][^/]/.test(value);
      if (/^(x-|@|:|hx-|data-hx-)/.test(name) && /hit|alert|evil/.test(value) && !again) {
        say(one, `a directive ${name}`);
      }
      if (["title", "aria-label", "alt", "placeholder", "label"].includes(name)) hints.push(value);
      if (addresses.includes(name) && tag !== "data") {
        const to = new URL(value, document.baseURI);
        if (!["http:", "https:", "mailto:"].includes(to.protocol) || /evil/.test(to.host)) {
          say(one, `an address ${name}`);
        }
      }
    }
    for (const node of one.childNodes) {
      if (node.nodeType === Node.COMMENT_NODE && /hit/.test(node.data)) say(one, "a comment");
    }
  }
  return {wrong, hints: hints.join("\\n"), text: [...said, document.body.textContent].join("\\n")};
}"""
# Control characters, and those that turn, hide or break lines of text.
MISLEADING: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_NUMBER: Final = re.compile(r"7[0-9]{6}")


def _plain(text: str) -> str:
    """Return a text as one line, to be compared."""
    return " ".join(text.split())


class Inspector:
    """Looks at pages, and keeps which payloads were there to be read."""

    def __init__(self, visitor: Visitor, places: Places, *, documents: bool = True) -> None:
        """`documents` says that what is shown is Tracardi's: then nothing in it may mislead."""
        self.visitor, self.places, self.documents = visitor, places, documents
        self.shown: set[int] = set()
        self.executed = 0
        # Whether the next page that is asked for is the one that is visited.
        self._going = False
        visitor.page.on("request", self._asked)
        visitor.page.on("dialog", self._opened)

    def _opened(self, _dialog: Dialog) -> None:
        self.executed += 1

    def _asked(self, request: Request) -> None:
        if request.is_navigation_request() and (self._going or request.redirected_from):
            self._going = False
        elif "hit-" in request.url or "evil." in request.url:
            self.executed += 1
            self.visitor.report(f"asked for {request.url[:120]}")

    def look(self, address: str, status: int | None = 200) -> None:
        """Open a page and all that opens there, and report what became of the payloads on it."""
        self._going = True
        self.visitor.go(address, status)
        self.visitor.page.evaluate("document.querySelectorAll('details').forEach(o => o.open = 1)")
        found: dict[str, Any] = self.visitor.page.evaluate(INSPECT, sorted(ADDRESSES))
        for wrong in found["wrong"]:
            self.executed += wrong.startswith("executed")
            self.visitor.report(wrong)
        for what in ("text", "hints"):
            if self.documents and (bad := MISLEADING.search(found[what])):
                around = found[what][max(0, bad.start() - 40) : bad.end() + 40]
                self.visitor.report(f"a misleading character in its {what}: {around!r}")
        self._keep(found["text"])

    def _keep(self, text: str) -> None:
        words = _plain(text)
        for n in {int(one) for one in _NUMBER.findall(text)} - self.shown:
            if n in self.places.planted and any(one in words for one in forms(self.places, n)):
                self.shown.add(n)

    def unseen(self, places: Iterable[str]) -> set[str]:
        """Return the places of which no payload was ever shown."""
        seen = {self.places.place_of(n) for n in self.shown}
        return {one for one in places if one not in seen}

    def report(self, record: Record) -> None:
        """Record what was tried: what was planted and never shown was not. Nothing may have run."""
        record(PAGES, self.visitor.visited)
        record(PAYLOADS, len(self.shown))
        record(EXECUTED, self.executed)
        assert self.executed == 0


def forms(places: Places, n: int) -> list[str]:
    """Return how a payload may be read on a page: what hides written out, or inside of JSON."""
    text = places.planted[n]
    inner = json.dumps(text, ensure_ascii=False)[1:-1]
    return [_plain(visible(one)) for one in (text, inner)]
