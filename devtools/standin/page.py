"""The stand-in's own page: what it is, and a change of staging, where it offers one."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Final

CHANGE: Final = "/change-staging"
_STYLE: Final = (
    ":root{color-scheme:light dark}body{max-width:40rem;margin:3rem auto;padding:0 1rem;"
    "font:1rem/1.5 system-ui,sans-serif}button{padding:.5rem 1rem;font:inherit}"
)
_ABOUT: Final = (
    "This is no Tracardi. It answers /track and /healthcheck in its place, and does what the rules "
    "of staging and the simplest nodes of its flows say. No mail, message or call leaves this "
    "machine."
)
_MADE: Final = "Staging is changed. Capture it in the console, then run the suite again."


@dataclass(frozen=True)
class Change:
    """A change of staging that the page offers: what it is in words, and what makes it."""

    words: str
    make: Callable[[], None]


def page(change: Change | None, *, made: bool) -> str:
    """Return the page; `made` says that the change was made just now."""
    parts = [f"<h1>Stand-in for Tracardi</h1><p>{_ABOUT}</p>"]
    if made:
        parts.append(f"<p role='status'><strong>{_MADE}</strong></p>")
    if change is not None:
        parts.append(
            f"<h2>Change staging</h2><p>{escape(change.words)}</p><form method='post' "
            f"action='{CHANGE}'><button>Make this change on staging</button></form>"
        )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' "
        f"content='width=device-width'><title>Stand-in for Tracardi</title><style>{_STYLE}</style>"
        f"{''.join(parts)}</html>"
    )
