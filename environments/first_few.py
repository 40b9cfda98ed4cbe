"""Long lists in a sentence. Pure: no Django, no I/O."""

from collections.abc import Sequence


def first_few(names: Sequence[str], most: int) -> str:
    """Return the first of some names as a sentence holds them, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
