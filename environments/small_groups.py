"""Groups of people so small that their number is withheld: they might be known by it. Pure."""

from typing import Final

LEAST_SHOWN: Final = 5
# What is shown in the number's place.
UNDER: Final = f"under {LEAST_SHOWN}"


def is_small(number: int) -> bool:
    """Answer whether so many people are too few to be shown; nobody at all is not."""
    return 0 < number < LEAST_SHOWN
