"""A process that reads production in a loop, each time with one `_search` over all aliases.

Prints one JSON object at the end of its standard input: how many reads, and those that were not
one whole state. A whole state is the list of ids that was there at first, alone or with one and the
same revision in all resources that carry one.
"""

import json
import sys
import threading
import urllib.request
from typing import Any

BODY = {"size": 1000, "_source": ["name"], "query": {"match_all": {}}}
CARRIERS = 3
Read = tuple[list[str], list[str], str]


def read(url: str) -> Read:
    """Return the revisions found, the sorted ids of the other documents, and an error."""
    request = urllib.request.Request(  # noqa: S310
        url, json.dumps(BODY).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            found: dict[str, Any] = json.loads(answer.read())
    except OSError as error:
        return [], [], str(error)
    if found["_shards"]["failed"]:
        return [], [], "a shard failed"
    hits = found["hits"]["hits"]
    revisions = [hit["_source"]["name"] for hit in hits if hit["_id"] == "revision"]
    # An index name has a generation's number in it: what Tracardi sees is the resource.
    others = [f"{hit['_index'].rpartition('.')[2]}/{hit['_id']}" for hit in hits]
    return revisions, sorted(one for one in others if not one.endswith("/revision")), ""


def whole(found: Read, at_first: list[str]) -> bool:
    """Answer whether a read saw one state of the configuration."""
    revisions, others, error = found
    one = len(revisions) in {0, CARRIERS} and len(set(revisions)) <= 1
    return not error and bool(others) and others == at_first and one


def main() -> None:
    url, least = sys.argv[1], int(sys.argv[2])
    done = threading.Event()

    def until_told() -> None:
        sys.stdin.read()
        done.set()

    threading.Thread(target=until_told, daemon=True).start()
    reads, bad, states = 0, [], set()
    at_first = read(url)[1]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not done.is_set() or reads < least:
        found = read(url)
        reads += 1
        states.add(tuple(found[0]))
        if not whole(found, at_first):
            bad.append(found)
    sys.stdout.write(json.dumps({"reads": reads, "bad": bad[:20], "states": len(states)}))


if __name__ == "__main__":
    main()
