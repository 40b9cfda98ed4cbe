"""One build's page, where QA looks at what changed and gives its verdict."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import request_actor
from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, show, signed_in
from environments.findings import errors, warnings
from promotion import build_changes
from promotion.buttons import (
    Button,
    build_url,
    compose_button,
    prepare_button,
    promote_button,
    readiness,
    rehearse_button,
)
from promotion.comment_links import threads
from promotion.common import build_for, done
from promotion.compare_views import compare_url
from promotion.compositions import composition_of
from promotion.dependencies import findings_of
from promotion.forms import CommentForm, ReviewForm
from promotion.models import Build, Checklist, Comment, Review, StoredGeneration
from promotion.proofs import proofs
from promotion.reviewing import is_open, overtaken_by
from promotion.services import moved_words, review

# So many findings about references are shown.
MOST_FINDINGS = 100


@console_page
@require_GET
def build(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show one build: what is in it, what changed, and QA's verdict."""
    return _build_page(request, build_for(request, slug, number), None)


@console_page
@require_POST
def review_build(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Keep QA's verdict."""
    shown = build_for(request, slug, number)
    asked = Checklist.of(shown.environment)
    form = ReviewForm(request.POST, due=warnings(findings_of(shown)), asked=asked)
    if not form.is_valid():
        return _build_page(request, shown, form, status=400)
    verdict = Review.Verdict(form.cleaned_data["verdict"])

    def act() -> str:
        review(
            request_actor(request),
            shown,
            verdict,
            content=form.cleaned_data["content"],
            comment=form.cleaned_data["comment"],
            acknowledged=form.codes(),
            checklist=form.cleaned_data["checklist"],
            ticked=form.cleaned_data["ticked"],
        )
        return f"{shown} {Review.SAID[verdict.value]}."

    return done(request, build_url(shown), act)


def _build_page(
    request: HttpRequest, shown: Build, form: ReviewForm | None, status: int = 200
) -> HttpResponse:
    user, made = (
        signed_in(request),
        list(Review.objects.of(shown).select_related("reviewed_by", "checklist")),
    )
    overtaken = overtaken_by(shown)
    ref = f"{shown.environment.slug}:{shown.number}"
    due = findings_of(shown) if shown.is_reviewable else []
    target, live = shown.target, None
    if target is not None and may(user, Verb.VIEW_BUILD, target):
        live = StoredGeneration.live_in(target)
    return show(
        request,
        "promotion/build.html",
        str(shown),
        status=status,
        build=shown,
        review=made[0] if made else None,
        earlier=made[1:],
        overtaken=overtaken,
        overtaken_url=compare_url(ref, f"{shown.environment.slug}:{overtaken.number}")
        if overtaken is not None
        else "",
        **_changes(request, shown, user),
        unresolved=Comment.objects.on(shown).unresolved().count(),
        threads=threads(shown),
        comment_form=CommentForm(),
        comment_url=build_url(shown, "promotion:comment"),
        parts=[
            {"label": shown.environment.catalogue.get(name).label, "tree": part.tree}
            for name, part in shown.resources().items()
        ],
        composition=composition_of(shown),
        proofs=proofs(shown) if shown.is_reviewable else [],
        moved="" if shown.rests_on(live) else moved_words(shown, target),
        findings=due,
        most_findings=f":{MOST_FINDINGS}",
        findings_more=max(0, len(due) - MOST_FINDINGS),
        stopping=len(errors(due)),
        form=form
        or ReviewForm(
            due=warnings(due),
            asked=Checklist.of(shown.environment),
            initial={"content": shown.content},
        ),
        may_review=is_open(shown) and bool(may(user, Verb.REVIEW, shown)),
        buttons=_buttons(request, shown, user, live),
    )


def _changes(request: HttpRequest, shown: Build, user: User) -> dict[str, object]:
    """Return what changed, against what the address asks for."""
    found = build_changes.bases(shown, user)
    key = request.GET.get("against", "")
    # What goes live is what matters; the first of them is that, where there is any.
    chosen = next((one for one in found if one.key == key), found[0] if found else None)
    ref = f"{shown.environment.slug}:{shown.number}"
    return {
        "bases": found,
        "chosen": chosen,
        "groups": build_changes.changes(shown, chosen),
        "everything_url": compare_url(chosen.side.ref, ref) if chosen is not None else "",
    }


def _buttons(
    request: HttpRequest, shown: Build, user: User, live: StoredGeneration | None
) -> list[Button]:
    target, buttons = shown.target, []
    if target is None or not shown.is_reviewable:
        return []
    if may(user, Verb.PROMOTE, target):
        ready = readiness(request_actor(request), shown, target)
        buttons.append(promote_button(shown, ready))
        if ready.can_prepare:
            buttons.append(prepare_button(shown))
        buttons.append(rehearse_button(shown, target))
    if may(user, Verb.VIEW_BUILD, target) and may(user, Verb.CAPTURE, shown):
        buttons += compose_button(shown, live)
    return buttons
