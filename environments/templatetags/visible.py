"""The filter `visible`: a text of a document, such as its id, with nothing hidden in it."""

from typing import Any

from django import template

from environments.visible import visible as written_out

register = template.Library()


@register.filter
def visible(value: Any) -> str:
    """Write out what misleads; see `environments.visible`."""
    return written_out(str(value))
