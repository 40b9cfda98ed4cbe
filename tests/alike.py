"""Cases of a test that are much alike: each run of the tests tries some, test-long all of them."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def some(cases: Iterable[Any], short: Callable[[int, Any], bool]) -> list[Any]:
    """Return cases for `parametrize`; those are marked as long that `short` does not choose.

    `short` is asked with a case's place and the case. One with several values is a tuple.
    """
    found = []
    for place, case in enumerate(cases):
        values = case if isinstance(case, tuple) else (case,)
        marks = () if short(place, case) else (pytest.mark.long,)
        found.append(pytest.param(*values, marks=marks))
    return found
