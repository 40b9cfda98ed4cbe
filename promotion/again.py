"""Sends again what may be sent twice, within bounds.

A cutover's alias request is never sent through here; a compare-and-swap only where it was refused
for sure.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from django.conf import settings
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from environments.elastic import Refused, Unreachable

T = TypeVar("T")
# The first pause is a part of this, each later one up to twice as long.
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0
# A person waits for a page that only looks: it says soon that a cluster is out of reach.
PAGE_SECONDS: Final = 0.5
_patience: Final[ContextVar[float]] = ContextVar("patience", default=math.inf)


def is_busy(error: BaseException) -> bool:
    """Answer whether a request was refused that may succeed in a moment."""
    return isinstance(error, Refused) and error.temporary


def may_pass(error: BaseException) -> bool:
    """Answer whether the same request may succeed in a moment, and may have been done already."""
    return isinstance(error, Unreachable) or is_busy(error)


@contextmanager
def for_a_page() -> Iterator[None]:
    """Send nothing again for longer than PAGE_SECONDS, in this thread."""
    token = _patience.set(PAGE_SECONDS)
    try:
        yield
    finally:
        _patience.reset(token)


def again(act: Callable[[], T], when: Callable[[BaseException], bool] = may_pass) -> T:
    """Do it, and again while `when` answers yes to what it meets, up to RETRY_SECONDS.

    Less long where `for_a_page` says so.

    Raises:
        ElasticError: what the last attempt met.
    """
    attempts = Retrying(
        retry=retry_if_exception(when),
        wait=wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
        stop=stop_after_delay(min(settings.RETRY_SECONDS, _patience.get())),
        reraise=True,
    )
    return attempts(act)
