"""The views that a dashboard offers, and which of them it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accounts.models import User
from environments.dashboards.chosen import LABELS, Chosen
from environments.dashboards.ranges import CHOICES, CUSTOM
from environments.models import Environment, SavedView
from environments.saved.forms import SaveForm
from environments.saved.services import chosen_of

Offers = Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class Menu:
    """A person's own views of an environment, those of others, and the one that is shown."""

    own: Sequence[SavedView]
    shared: Sequence[SavedView]
    current: SavedView | None
    form: SaveForm


def views_of(user: User, environment: Environment) -> tuple[list[SavedView], list[SavedView]]:
    """Return a person's own views of an environment, and those that others share with them."""
    seen = SavedView.objects.visible_to(user).filter(environment=environment)
    rows = list(seen.select_related("owner", "environment").prefetch_related("shares"))
    return (
        [one for one in rows if one.owner_id == user.pk],
        [one for one in rows if one.owner_id != user.pk],
    )


def menu_of(user: User, environment: Environment, chosen: Chosen) -> Menu:
    """Return what the menu of a dashboard holds; of equal views one's own is the one shown."""
    own, shared = views_of(user, environment)
    query = chosen.query()
    current = next((one for one in [*own, *shared] if one.query == query), None)
    form = SaveForm(initial={"query": query}, auto_id="id_view_%s")
    return Menu(own, shared, current, form)


def query_words(query: str) -> str:
    """Return what a view shows in words, such as `7 days; source: web-shop`."""
    chosen = chosen_of(query)
    if chosen.key == CUSTOM:
        days = f"{chosen.first} to {chosen.last}"
    else:
        days = next(choice.words for choice in CHOICES if choice.key == chosen.key)
    return "; ".join([days, *filter_words(chosen)])


def filter_words(chosen: Chosen, offers: Offers | None = None) -> list[str]:
    """Return each filter in words, such as `source: Web shop`.

    `offers` has what an engine calls the values, as `Figures.offers`; of others the value is told.
    """
    known = {name: dict((offers or {}).get(name, ())) for name in chosen.filters}
    return [
        f"{LABELS[name].lower()}: {', '.join(known[name].get(one, one) for one in values)}"
        for name, values in chosen.filters.items()
    ]
