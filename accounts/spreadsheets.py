"""Cells that no spreadsheet takes for a formula, whoever wrote what is in them. Pure."""

import re
import unicodedata
from typing import Final

# A minus of mathematics is one to some spreadsheets; the full-width forms become these below.
_STARTS: Final = frozenset("=+-@\u2212")
_QUOTES: Final = frozenset("\"'`")
# Where a spreadsheet that expects another separator, or takes a quote for a text, begins a cell.
_BEGINNINGS: Final = re.compile("([;\t\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029]+)")
MARK: Final = "'"


def cell(value: object) -> str:
    """Return a value as a cell: a mark stands before each part that may begin as a formula.

    Nothing is left out: without the marks it is the text of the value.
    """
    text = "" if value is None else str(value)
    parts = _BEGINNINGS.split(text)
    # Every second part is what separates two.
    made = "".join(
        f"{MARK}{part}" if not place % 2 and begins_formula(part) else part
        for place, part in enumerate(parts)
    )
    return f"{MARK}{made}" if _BEGINNINGS.match(made) else made


def begins_formula(text: str) -> bool:
    """Answer whether a spreadsheet may take a text for a formula.

    It may leave out what stands before one: blanks, quotes and characters that are not seen.
    """
    for one in text:
        plain = unicodedata.normalize("NFKC", one)
        if plain[:1] in _STARTS:
            return True
        # Blanks, controls and formats; opening and closing quotes of every language.
        if unicodedata.category(one) in {"Zs", "Zl", "Zp", "Cc", "Cf", "Pi", "Pf"}:
            continue
        if not set(plain) <= {" ", *_QUOTES}:
            return False
    return False
