"""Facts of a real Tracardi, as committed copies."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "tracardi"


def load(name: str) -> Any:
    """Return one of the JSON files, such as `0.8.1/aliases.json`."""
    return json.loads((FOLDER / name).read_text())


def configuration(storage: str) -> Iterator[tuple[str, bytes]]:
    """Yield (id, exact source) of a resource's real 0.8.1 documents."""
    path = FOLDER / "0.8.1" / "documents" / f"{storage}.ndjson"
    for line in path.read_bytes().splitlines():
        # The source's own bytes: the line holds `"_source": {…}` as its last member.
        doc_id = json.loads(line)["_id"]
        yield doc_id, line.split(b'"_source": ', 1)[1][:-1]
