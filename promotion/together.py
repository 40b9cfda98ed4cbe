"""Does independent reads of a cluster at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def together(*reads: Callable[[], Any]) -> list[Any]:
    """Call all at once, the first in this thread, and return what each returned, in order.

    The others must not use the database: its connections belong to a thread. Raises what the
    earliest of them raised, once all have ended.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(reads) - 1)) as pool:
        others = [pool.submit(read) for read in reads[1:]]
        return [reads[0](), *(other.result() for other in others)]
