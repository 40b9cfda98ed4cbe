"""Which search engine a cluster is, and whether the console works with it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ELASTICSEARCH: Final = "Elasticsearch"
OPENSEARCH: Final = "OpenSearch"
# From the first that is supported until before the second. All tests that need an engine run on
# Elasticsearch 7.10.2 and 7.17.28 and on OpenSearch 2.19.1 (docs/reliability.md).
_SUPPORTED: Final = {ELASTICSEARCH: ((7, 10), (8, 0)), OPENSEARCH: ((2, 0), (3, 0))}
SUPPORTED_WORDS: Final = "Elasticsearch 7.10 to 7.17 and OpenSearch 2"


@dataclass(frozen=True)
class Engine:
    """A cluster's engine. `number` is empty where an OpenSearch hides its own."""

    brand: str
    number: str

    def __str__(self) -> str:
        return f"{self.brand} {self.number}".strip()

    @property
    def is_supported(self) -> bool:
        if not self.number:
            return True
        found = re.match(r"(\d+)\.(\d+)", self.number)
        first, end = _SUPPORTED[self.brand]
        return found is not None and first <= (int(found[1]), int(found[2])) < end


def engine_of(answer: Mapping[str, Any]) -> Engine:
    """Return the engine by its answer to a request of `/`."""
    version = answer.get("version")
    version = version if isinstance(version, Mapping) else {}
    number = str(version.get("number") or "unknown")[:30]
    if version.get("distribution") == "opensearch":
        return Engine(OPENSEARCH, number)
    if "opensearch" in str(answer.get("tagline", "")).lower():
        # compatibility.override_main_response_version makes it pass for 7.10.2, and leaves out
        # its distribution (measured on 2.19.1).
        return Engine(OPENSEARCH, "")
    return Engine(ELASTICSEARCH, number)
