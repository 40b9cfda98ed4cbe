"""A process that reads production in a loop, each time with one `_search` over all aliases.

Prints one JSON object at the end of its standard input: how many reads, and those that were not
one whole state. A state is one revision in all resources that carry it, or none in any.
"""

import json
import sys
import threading
import urllib.request
from typing import Any

# The answer's documents that tell the revision: resource's alias ending to the field.
BODY = {"size": 1000, "_source": ["name"], "query": {"match_all": {}}}


def read(url: str) -> tuple[list[str], int, str]:
    """Return the revisions found, the number of documents, and an error."""
    request = urllib.request.Request(  # noqa: S310
        url, json.dumps(BODY).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            found: dict[str, Any] = json.loads(answer.read())
    except OSError as error:
        return [], 0, str(error)
    if found["_shards"]["failed"]:
        return [], 0, "a shard failed"
    hits = found["hits"]["hits"]
    revisions = [hit["_source"]["name"] for hit in hits if hit["_id"] == "revision"]
    return revisions, len(hits), ""


def main() -> None:
    url, least = sys.argv[1], int(sys.argv[2])
    done = threading.Event()

    def until_told() -> None:
        sys.stdin.read()
        done.set()

    threading.Thread(target=until_told, daemon=True).start()
    reads, bad, states = 0, [], set()
    while not done.is_set() or reads < least:
        revisions, count, error = read(url)
        reads += 1
        states.add((len(revisions), *set(revisions)))
        if error or not count or len(revisions) not in {0, 3} or len(set(revisions)) > 1:
            bad.append([revisions, count, error])
    sys.stdout.write(json.dumps({"reads": reads, "bad": bad[:20], "states": len(states)}))


if __name__ == "__main__":
    main()
