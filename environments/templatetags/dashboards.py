"""How a dashboard's tables write their values."""

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma

from environments.dashboards.chosen import Chosen

register = template.Library()


@register.filter
def figure(value: float | str | None) -> str:
    """Return a value of a table: counts with commas, shares with a digit, a dash where none is."""
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.1f}\N{NO-BREAK SPACE}%"
    return value if isinstance(value, str) else str(intcomma(value))


@register.filter
def narrowed(chosen: Chosen, to: tuple[str, str]) -> str:
    """Return the query of a dashboard that shows one value of a filter alone."""
    return chosen.narrowed(*to)
