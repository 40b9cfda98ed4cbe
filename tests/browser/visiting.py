"""How a page is looked at: what its answer holds, what can be opened on it, and how wide it is."""

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from django.conf import settings
from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, Response
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import NARROW, WIDE

# The policy of the design, to the letter.
POLICY: Final = {
    "default-src": {"'self'"},
    "script-src": {"'self'"},
    "style-src": {"'self'"},
    "img-src": {"'self'", "data:"},
    "object-src": {"'none'"},
    "base-uri": {"'none'"},
    "frame-ancestors": {"'none'"},
    "form-action": {"'self'"},
}
# Attributes that hold an address.
ADDRESSES: Final = frozenset(
    {"action", "cite", "data", "formaction", "href", "poster", "src", "srcset", "xlink:href"}
)
# Scripts have started, and two pictures were drawn: what they report by then has been reported.
IDLE: Final = """() => new Promise((done) =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))"""
# Goes to the next thing that opens something and leads nowhere else, and says by which key.
NEXT: Final = """() => {
  const closed = [...document.querySelectorAll("details:not([open]) > summary")];
  const others = [...document.querySelectorAll(
    "[x-on\\\\:click], [role=button], [role=tab], [aria-expanded], [popovertarget]," +
    "button[type=button], .tc-flow-whole input, a[href^='#']")];
  const next = [...closed, ...others].find((one) => {
    const link = one.closest("a[href]");
    const leaves = link && !link.getAttribute("href").startsWith("#");
    const shown = one.checkVisibility({visibilityProperty: true});
    return shown && !one.dataset.tried && !leaves && !one.disabled;
  });
  if (!next) return null;
  next.focus();
  next.dataset.tried = "yes";
  if (document.activeElement === next) return next.matches("input") ? "Space" : "Enter";
  // A menu that is just closing.
  if (next.closest("[x-transition]")) return "";
  return next.outerHTML;
}"""
# A page is never wider than its window; what is may scroll in a frame of its own.
WIDER: Final = """() => {
  const root = document.documentElement;
  const room = root.clientWidth;
  if (Math.max(root.scrollWidth, document.body.scrollWidth) <= room) return [];
  const scrolls = (one) => one && one !== document.body && one !== root
    && (getComputedStyle(one).overflowX !== "visible" || scrolls(one.parentElement));
  return [...document.body.querySelectorAll("*")]
    .filter((one) => one.getBoundingClientRect().right > room + 1 && !scrolls(one.parentElement))
    .slice(0, 3).map((one) => one.outerHTML.slice(0, 160)).concat([`${root.scrollWidth}`]);
}"""


def policy_of(header: str) -> dict[str, set[str]]:
    """Return a policy's directives with their sources."""
    parts = [part.split() for part in header.split(";") if part.strip()]
    return {name: set(sources) for name, *sources in parts}


def expected_policy() -> dict[str, set[str]]:
    """Return the design's policy, with the origins that settings let forms be sent to."""
    held: Any = settings.CONTENT_SECURITY_POLICY
    added = {str(one) for one in held["DIRECTIVES"]["form-action"]} - POLICY["form-action"]
    assert all(one.startswith("https://") for one in added), added
    return {**POLICY, "form-action": POLICY["form-action"] | added}


class Inline(HTMLParser):
    """Finds what a strict policy forbids in the text of a page, before any script has run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = {name: value or "" for name, value in attrs}
        # Data for a script is none.
        is_code = held.get("type", "") != "application/json"
        if tag == "style" or (tag == "script" and is_code and not held.get("src")):
            self.found.append(f"<{tag}>")
        for name, value in held.items():
            address = "".join(value.split()).casefold()
            scheme = address.partition(":")[0] if name in ADDRESSES else ""
            if name == "style" or name.startswith("on") or scheme in {"javascript", "vbscript"}:
                self.found.append(f"<{tag} {name}={value[:80]!r}>")


@dataclass
class Visitor:
    """A browser that reports everything that a page does wrong."""

    context: BrowserContext
    server: LiveServer
    problems: list[str]
    visited: int = 0
    opened: int = 0

    def __post_init__(self) -> None:
        self.page = self.context.new_page()
        self.at = ""
        self.page.on("console", self._console)
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)
        self.page.on("dialog", self._asked)

    def report(self, words: str) -> None:
        self.problems.append(f"{self.at[:160]}: {words}")

    def _asked(self, dialog: Dialog) -> None:
        self.report(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        # Chromium says of an answer that it was an error; what is right is asked of the answer.
        place = message.location.get("url", "")
        # A page of the server itself names no icon, and the browser asks for one.
        own = place.endswith("/favicon.ico") or place == self.page.url
        own = own and "status of 4" in message.text
        wrong = message.type == "error" or "Alpine" in message.text
        if wrong and not own and not message.text.startswith("policy: "):
            self.report(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        # A page that is left lets go of what it was loading.
        if request.failure != "net::ERR_ABORTED":
            self.report(f"{request.failure} {request.url}")

    def _answered(self, answer: Response) -> None:
        if answer.status >= 400 and answer.request.resource_type not in {"document", "other"}:
            self.report(f"{answer.status} {answer.url}")

    def go(self, address: str, status: int | None = 200) -> str:
        """Open a page and return the text of its answer, checked with its headers.

        Without a status any will do: what the server did not foresee is reported anyway.
        """
        self.at = address
        answer = self.page.goto(f"{self.server}{address}", wait_until="load", timeout=60_000)
        assert answer is not None
        if status is not None and answer.status != status:
            self.report(f"answered {answer.status}, not {status}")
        if policy_of(answer.headers.get("content-security-policy", "")) != expected_policy():
            self.report(f"policy is {answer.headers.get('content-security-policy')}")
        text = answer.text()
        for one in Inline(text).found:
            self.report(f"inline {one}")
        self.page.evaluate(IDLE)
        self.visited += 1
        return text

    def open_everything(self) -> None:
        """Open all that opens on this page, by the keyboard."""
        page, before = self.page, self.page.url.partition("#")[0]
        while (key := page.evaluate(NEXT)) is not None:
            if key in {"Enter", "Space"}:
                page.keyboard.press(key)
                self.opened += 1
            elif key:
                self.report(f"no key reaches {key[:120]}")
            if page.url.partition("#")[0] != before:
                self.report(f"something left the page for {page.url}")
                return
        page.evaluate(IDLE)

    def narrow(self) -> None:
        """Make the window as narrow as a telephone: the page may not be wider."""
        for size in (NARROW, WIDE):
            self.page.set_viewport_size({"width": size[0], "height": size[1]})
            self.page.evaluate(IDLE)
            if wider := self.page.evaluate(WIDER):
                self.report(f"wider than {size[0]}: {wider}")


@pytest.fixture
def visitor(context: BrowserContext, live_server: LiveServer, problems: list[str]) -> Visitor:
    return Visitor(context, live_server, problems)
