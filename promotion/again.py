"""Sends again what may be sent twice, within bounds.

A cutover's alias request is never sent through here; a compare-and-swap only where it was refused
for sure.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from django.conf import settings
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from environments.elastic import Refused, Unreachable

T = TypeVar("T")
# The first pause is a part of this, each later one up to twice as long.
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0


def is_busy(error: BaseException) -> bool:
    """Answer whether a request was refused that may succeed in a moment."""
    return isinstance(error, Refused) and error.temporary


def may_pass(error: BaseException) -> bool:
    """Answer whether the same request may succeed in a moment, and may have been done already."""
    return isinstance(error, Unreachable) or is_busy(error)


def again(act: Callable[[], T], when: Callable[[BaseException], bool] = may_pass) -> T:
    """Do it, and again while `when` answers yes to what it meets, up to RETRY_SECONDS.

    Raises:
        ElasticError: what the last attempt met.
    """
    attempts = Retrying(
        retry=retry_if_exception(when),
        wait=wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
        stop=stop_after_delay(settings.RETRY_SECONDS),
        reraise=True,
    )
    return attempts(act)
