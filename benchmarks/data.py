"""A configuration of any size: the demo shop's documents, repeated, the same at each run.

Each document carries a *token* that tells which change wrote it last, where a search finds it.
"""

import copy
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from devtools.demo import shop
from environments.naming import Naming, Side

# Documents of each resource in a thousand: a shop grows by rules and segments.
SHARES: Final[Mapping[str, int]] = {
    "rule": 300,
    "segment": 280,
    "event-management": 100,
    "event-source": 70,
    "content": 50,
    "flow": 40,
    "resource": 30,
    "event-to-profile": 20,
    "event-tags": 20,
    "live-segment": 20,
    "destination": 12,
    "event-reshaping": 12,
    "event-validation": 12,
    "report": 10,
    "identification-point": 8,
    "event-redirect": 6,
    "consent-type": 4,
    "consent-data-compliance": 2,
    "setting": 1,
    "entity-list": 1,
}
SMALLEST: Final = len(SHARES)
LARGEST: Final = 200_000
SHAPES: Final[Mapping[str, str]] = {
    "one": "1 document, a flow",
    "largest": "1 document of the largest resource, a rule",
    "percent": "1 % of all documents",
    "all": "100 % of all documents",
}
TOKEN_FIELDS: Final = ("description", "text", "tags", "fields")


class Key(NamedTuple):
    """One document's place: its resource, and which one of it."""

    resource: str
    number: int

    @property
    def id(self) -> str:
        return f"{self.resource}-{self.number:05d}"


def spread(total: int) -> dict[str, int]:
    """Return how many of `total` documents each resource has; at least one.

    Raises:
        ValueError: there are fewer documents than resources, or too many for one machine.
    """
    if not SMALLEST <= total <= LARGEST:
        raise ValueError(f"take from {SMALLEST} to {LARGEST:,} documents, not {total:,}")
    rest = total - SMALLEST
    counts = {name: 1 + rest * share // 1000 for name, share in SHARES.items()}
    counts["rule"] += total - sum(counts.values())
    return counts


@dataclass(frozen=True)
class Configuration:
    """The documents of all promoted resources."""

    counts: Mapping[str, int]
    templates: Mapping[str, list[dict[str, Any]]]

    @classmethod
    def one_large(cls, total: int) -> "Configuration":
        """Return one whose rules are all but one document of each other resource."""
        return replace(
            cls.of(total), counts={**dict.fromkeys(SHARES, 1), "rule": total - SMALLEST + 1}
        )

    @classmethod
    def of(cls, total: int) -> "Configuration":
        found = shop.configuration(Side.STAGING)
        templates = {
            # Tracardi's own source is noise as a whole, however often it is written.
            name: [source for doc_id, source in found[name] if not doc_id.startswith("@@")]
            for name in SHARES
        }
        return cls(spread(total), templates)

    @property
    def keys(self) -> list[Key]:
        return [Key(name, n) for name, count in self.counts.items() for n in range(count)]

    def changed(self, shape: str) -> list[Key]:
        """Return what a change of that shape writes anew."""
        if shape == "one":
            return [Key("flow", 0)]
        if shape == "largest":
            return [Key(max(self.counts, key=lambda name: self.counts[name]), 0)]
        # Each hundredth one, so that each resource has its share.
        return self.keys[::100] if shape == "percent" else self.keys

    def source(self, key: Key, token: str) -> dict[str, Any]:
        """Return a document as the change called `token` writes it."""
        templates = self.templates[key.resource]
        source = copy.copy(templates[key.number % len(templates)])
        if "id" in source:
            source["id"] = key.id
        if "name" in source:
            source["name"] = f"{source['name']} {key.number}"
        if key.resource == "entity-list":
            source["fields"] = {**source["fields"], "token": token}
        elif key.resource == "content":
            source["text"] = f"{source['text']} {token}"
        elif key.resource == "event-tags":
            source["tags"] = f"{source['tags']},{token}"
        else:
            # The whole of it: some descriptions are keywords.
            source["description"] = token
        return source


def has_token(token: str) -> dict[str, Any]:
    """Return the query for the documents that a change wrote."""
    return {"bool": {"should": [{"term": {field: token}} for field in TOKEN_FIELDS]}}


def by_storage(naming: Naming, keys: Iterable[Key]) -> dict[str, int]:
    """Count documents by the storage name of their resource, as index names have it."""
    return dict(Counter(naming.catalogue.get(key.resource).storage for key in keys))
