"""Groups of people so small that their number is withheld: they might be known by it. Pure."""

from typing import Final

LEAST_SHOWN: Final = 5
# What is shown in the number's place.
UNDER: Final = f"under {LEAST_SHOWN}"


def is_small(number: int) -> bool:
    """Answer whether so many people are too few to be shown; nobody at all is not."""
    return 0 < number < LEAST_SHOWN


def may_be_small(people: int | None, did: int | None) -> bool:
    """Answer whether what people did may tell of too few of them, `did` being how much it was.

    Where nobody is told apart, there may be as many people as things done; where they could not
    be counted, nothing says that they are enough.
    """
    if people is None or did is None:
        return True
    return is_small(people or did)
