"""Answers a container's health check: `web` asks the page, `worker FILE` looks at its last sign.

Only the standard library, so that it starts at once.
"""

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

READY = "http://127.0.0.1:8000/health/ready"
PATIENCE_SECONDS = 8
# A worker touches its file every ten seconds.
LATE_SECONDS = 60


def web(url: str = READY) -> bool:
    """Answer whether the web server can serve."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def worker(alive: str) -> bool:
    """Answer whether a worker gave a sign a moment ago."""
    try:
        return time.time() - Path(alive).stat().st_mtime < LATE_SECONDS
    except OSError:
        return False


def main(words: list[str]) -> int:
    """Return the exit code: 0 healthy, 1 not, 2 for a wrong question."""
    match words:
        case ["web", *url] if len(url) < 2:
            return int(not web(*url))
        case ["worker", alive]:
            return int(not worker(alive))
    sys.stderr.write("Ask for: web [URL], or worker FILE\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
