"""How a composed build was made, in words for its page."""

from collections.abc import Callable
from typing import Any, Final

from promotion.dependencies import configuration_of, live_configuration
from promotion.document_views import document_url
from promotion.engine.dependencies import Key, Reason, kind_of, verb_of
from promotion.models import Build

MOST_LISTED: Final = 200


def reason_words(title: Callable[[Key], str], key: Key, reason: Reason) -> str:
    """Return why a change came along: `title` returns what a document is called."""
    other = f"{kind_of(reason.key[0])} “{title(reason.key)}”"
    if reason.removes:
        return f"{other} goes, and it {verb_of(key[0], reason.key[0])} that"
    return f"{other} {verb_of(reason.key[0], key[0])} it"


def composition_of(build: Build) -> dict[str, Any] | None:
    """Return what a composed build's page says of how it was made; None for any other build."""
    source = build.composed_from
    if source is None or not build.choice:
        return None
    held, wanted = configuration_of(build), configuration_of(source)
    live = live_configuration(build.target)

    def title(key: Key) -> str:
        gone = live.title(key) if live is not None else ""
        return held.title(key, wanted.title(key, gone))

    def row(key: Key) -> dict[str, Any]:
        there = held.entry(key) is not None
        return {
            "key": key,
            "kind": kind_of(key[0]),
            "title": title(key),
            "url": document_url(build, key) if there else "",
            "is_removed": not there,
        }

    chosen = [(resource, doc_id) for resource, doc_id in build.choice["chosen"]]
    added = build.choice["added"]
    return {
        "source": source,
        "chosen": [row(key) for key in chosen[:MOST_LISTED]],
        "chosen_total": len(chosen),
        "chosen_more": max(0, len(chosen) - MOST_LISTED),
        "added": [
            {
                **row((one["key"][0], one["key"][1])),
                "why": [
                    reason_words(title, (one["key"][0], one["key"][1]), Reason((r, i), removes))
                    for r, i, removes in one["because"][:3]
                ],
            }
            for one in added[:MOST_LISTED]
        ],
        "added_total": len(added),
        "added_more": max(0, len(added) - MOST_LISTED),
    }
