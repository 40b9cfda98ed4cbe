"""Two sides compared, as pages: what differs by document, and one document by field."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from accounts.policy import may, may_anywhere
from accounts.roles import Verb
from accounts.web import Filter, FilterForm, console_page, forbidden, paged, show, signed_in
from environments.models import Environment
from promotion import comparison
from promotion.common import side_for
from promotion.comparison import Details, Row
from promotion.engine.dependencies import Key, Use
from promotion.engine.diff import Change, total
from promotion.engine.errors import PromotionError, RuleBroken
from promotion.models import Build, StoredGeneration
from promotion.sides import LIVE, NOW, Side

PER_PAGE: Final = 20
# So many builds of an environment are offered; the address takes any.
OFFERED: Final = 20
# So many sentences of a document are said in the list.
MOST_SAID: Final = 6


def compare_url(before: str, after: str, **more: str) -> str:
    """Return the address of a comparison; `more` narrows it."""
    return f"{reverse('promotion:compare')}?{urlencode({'before': before, 'after': after, **more})}"


def difference_url(before: str, after: str, key: Key, was: str = "") -> str:
    """Return the address of one document's difference; `was` is its id before, where another."""
    words = {"before": before, "after": after, "resource": key[0], "id": key[1]}
    if was:
        words["was"] = was
    return f"{reverse('promotion:compare-document')}?{urlencode(words)}"


def document_url(before: str, after: str, row: Row) -> str:
    """Return the address of a row's difference."""
    return difference_url(before, after, row.key, row.old_id)


@dataclass(frozen=True)
class Item:
    """A row of the list: what it says, and where it leads."""

    row: Row
    url: str
    details: Details | None
    touches: Sequence[Use]
    most: int = MOST_SAID

    @property
    def said(self) -> list[tuple[str, str]]:
        """The first sentences with the addresses of their fields, `most` of them."""
        found = (self.details.main or self.details.aside) if self.details is not None else []
        return [(one.text, f"{self.url}#{anchor(one.place)}") for one in found[: self.most]]

    @property
    def more(self) -> int:
        return max(0, len(self.details.sentences) - self.most) if self.details is not None else 0


def anchor(place: str) -> str:
    """Return a field's name in its page: an id must hold no space."""
    return "f-" + "_".join(place.split())


@dataclass
class Asked:
    """What an address asks for; a side that is not there has its reason in `problem`."""

    before: Side | None = None
    after: Side | None = None
    problem: str = ""
    status: int = 200
    refs: dict[str, str] = field(default_factory=dict)


def asked_sides(request: HttpRequest) -> Asked:
    """Read both sides of an address. What a person may not see is not there."""
    found = Asked()
    for name in ("before", "after"):
        ref = request.GET.get(name, "")
        found.refs[name] = ref
        if not ref:
            continue
        try:
            one = side_for(request, ref)
        except RuleBroken as error:
            found.problem, found.status = str(error), 400
        except PromotionError as error:
            found.problem, found.status = f"{error} Nothing was compared. Try again.", 503
        else:
            setattr(found, name, one)
    return found


def _offered(request: HttpRequest) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what can be chosen, by environment: references with words."""
    seen = list(Environment.objects.visible_to(signed_in(request), Verb.VIEW_BUILD))
    generations = StoredGeneration.objects.filter(environment__in=seen, is_live=True)
    live = dict(generations.values_list("environment", "number"))
    place = Window(RowNumber(), partition_by="environment", order_by="-number")
    rows = Build.objects.filter(environment__in=seen).annotate(place=place)
    builds: dict[int, list[Build]] = {}
    for row in rows.filter(place__lte=OFFERED).order_by("-number"):
        builds.setdefault(row.environment_id, []).append(row)
    groups = []
    for environment in seen:
        choices = [(f"{environment.slug}:{NOW}", "As it is now")]
        if environment.pk in live:
            number = live[environment.pk]
            choices.append((f"{environment.slug}:{LIVE}", f"Live: generation {number}"))
        for build in builds.get(environment.pk, ()):
            when = f"{build.captured_at:%d %b %Y %H:%M}"
            choices.append((f"{environment.slug}:{build.number}", f"Build {build.number}, {when}"))
        groups.append((environment.name, choices))
    return groups


@console_page
@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """List what differs between two sides; without them, ask which."""
    user = signed_in(request)
    if not may_anywhere(user, Verb.VIEW_BUILD):
        return forbidden(request, may(user, Verb.VIEW_BUILD), "builds.compare")
    asked = asked_sides(request)
    offered = _offered(request)
    refs = {ref for _, choices in offered for ref, _ in choices}
    context: dict[str, Any] = {
        "offered": offered,
        "refs": asked.refs,
        # An address takes any build; the choice holds it then too.
        "others": [
            one for one in (asked.before, asked.after) if one is not None and one.ref not in refs
        ],
    }
    title = "Compare"
    if asked.before is not None and asked.after is not None:
        title = f"{asked.before.words} → {asked.after.words}"
        context |= _listed(request, asked.before, asked.after)
    return show(
        request,
        "promotion/compare.html",
        title,
        status=asked.status,
        problem=asked.problem,
        before=asked.before,
        after=asked.after,
        **context,
    )


def _listed(request: HttpRequest, before: Side, after: Side) -> dict[str, Any]:
    found = comparison.rows(before, after)
    by_resource = comparison.counts(found)
    filters = (
        Filter("resource", "Resource", "", [(r.name, r.label) for r, _ in by_resource]),
        Filter("kind", "Change", "", [(kind.value, _kind_words(kind)) for kind in Change]),
    )
    form = FilterForm(request.GET, filters, ["title"])
    chosen = form.chosen()
    rows = [row for row in found if _fits(row, chosen)]
    words = {"before": before.ref, "after": after.ref}
    listing = paged(request, rows, form, PER_PAGE, query={**words, **chosen})
    touches = comparison.touched(before, after, list(listing.page))
    counts = total({resource.name: one for resource, one in by_resource})
    return {
        "listing": listing,
        "narrowed": bool(chosen),
        "by_resource": [
            {
                "resource": resource,
                "counts": one,
                "url": compare_url(before.ref, after.ref, resource=resource.name),
            }
            for resource, one in by_resource
        ],
        "total": counts,
        "noise_url": compare_url(before.ref, after.ref, kind=Change.NOISE.value),
        "swapped": compare_url(after.ref, before.ref),
        "items": [
            Item(
                row,
                document_url(before.ref, after.ref, row),
                comparison.brief(before, after, row),
                touches[row.key],
            )
            for row in listing.page
        ],
        "way_url": f"{reverse('promotion:compare-way')}?{urlencode(words)}",
    }


def _kind_words(kind: Change) -> str:
    return "Only noise" if kind is Change.NOISE else kind.value.capitalize()


def _fits(row: Row, chosen: dict[str, str]) -> bool:
    """Answer whether a row is asked for; noise is folded away unless it is."""
    if chosen.get("resource", row.resource.name) != row.resource.name:
        return False
    if "kind" in chosen:
        if row.kind.value != chosen["kind"]:
            return False
    elif row.kind is Change.NOISE:
        return False
    text = chosen.get("q", "").casefold()
    return not text or any(text in one.casefold() for one in (row.title, row.was, row.id))
