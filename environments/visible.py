"""Texts in which nothing hides: characters that turn, hide or end a line are written out.

Pure: no Django, no I/O. `invoice\\u202egpj.exe` would be read as `invoiceexe.jpg`, and two
names that differ in what nobody sees would pass for one.
"""

import re
from typing import Final

# Control characters but for white space, and what directs the order of letters, separates lines or
# has no width. Joiners stay: some scripts, and emoji, are written with them.
_MISLEADING: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)


def visible(text: str) -> str:
    """Return a text with misleading characters as JSON writes them, such as `\\u202e`."""
    return _MISLEADING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
