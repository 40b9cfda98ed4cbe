"""Batches as pages: what can go live together, its confirmation, and how each target ended."""

from collections import Counter
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.confirming import confirmed_page
from accounts.policy import Verdict, may
from accounts.roles import Verb
from accounts.web import Filter, console_page, forbidden, listing, show, signed_in
from promotion.batch_choices import Candidate, candidates
from promotion.batch_models import Batch, BatchItem
from promotion.batches import Choice, start_batch, stop_batch, summary, summary_words
from promotion.buttons import promotion_url
from promotion.common import done
from promotion.forms import BatchForm, BatchRowForm
from promotion.tasks import run_batch
from promotion.views import changes


def batch_url(batch: Batch) -> str:
    return reverse("promotion:batch", args=[batch.pk])


def _verdict(request: HttpRequest) -> Verdict:
    """A batch goes over all tenants, so it is for who may promote everywhere."""
    return may(signed_in(request), Verb.PROMOTE)


@console_page
@require_GET
def batches(request: HttpRequest) -> HttpResponse:
    """List batches, the newest first."""
    if not (verdict := _verdict(request)):
        return forbidden(request, verdict, "batches.list")
    filters = (Filter("status", "Status", "status", Batch.Status.choices),)
    rows = Batch.objects.select_related("requested_by").prefetch_related("items")
    found = listing(request, rows, filters)
    return show(
        request,
        "promotion/batches.html",
        "Batches",
        listing=found,
        rows=[
            # Of the items that were read with them.
            {"batch": one, "words": summary_words(Counter(i.status for i in one.items.all()))}
            for one in found.page
        ],
    )


@dataclass(frozen=True)
class Row:
    """One target on the confirming page."""

    candidate: Candidate
    form: BatchRowForm | None = None
    changes: tuple[dict[str, object], ...] = ()
    chosen: bool = False


def _row(request: HttpRequest, one: Candidate) -> Row:
    ready = one.state.prepared
    if ready is None or not one.is_due:
        return Row(one)
    prefix = one.target.slug
    chosen = request.method != "POST" or f"{prefix}-include" in request.POST
    # What does not take part is not asked for consents.
    form = BatchRowForm(
        request.POST if request.method == "POST" and chosen else None,
        due=ready.consents_due,
        prefix=prefix,
        initial={"plan": ready.plan_digest, "include": chosen},
    )
    return Row(one, form, tuple(changes(ready)), chosen)


@console_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def new_batch(request: HttpRequest) -> HttpResponse:
    """Show what each target would change, and start a batch of those that are chosen."""
    if not (verdict := _verdict(request)):
        return forbidden(request, verdict, "batch.requested")
    actor = request_actor(request)
    rows = [_row(request, one) for one in candidates(actor)]
    form = BatchForm(request.POST or None)
    problems = []
    if request.method == "POST":
        problems = _problems(request, rows)
        chosen = [row for row in rows if row.chosen and row.form is not None]
        valid = [row.form.is_valid() for row in chosen if row.form is not None]
        if form.is_valid() and all(valid) and not problems:
            return _start(request, form, chosen)
    return show(
        request,
        "promotion/new_batch.html",
        "Promote several at once",
        status=400 if request.method == "POST" else 200,
        form=form,
        problems=problems,
        rows=[row for row in rows if row.form is not None],
        others=[row for row in rows if row.form is None],
    )


def _problems(request: HttpRequest, rows: list[Row]) -> list[str]:
    """Say what was chosen on a page that does not hold any more."""
    gone = [
        f"{row.candidate.target} was left out: {row.candidate.state.reason or 'it is live.'}"
        for row in rows
        if row.form is None and f"{row.candidate.target.slug}-include" in request.POST
    ]
    if not gone and not any(row.chosen for row in rows):
        return ["Choose at least one target. Nothing was begun."]
    return [f"{words} Look again, then start the batch." for words in gone]


def _start(request: HttpRequest, form: BatchForm, chosen: list[Row]) -> HttpResponse:
    made: list[Batch] = []
    choices = [
        Choice(
            row.candidate.build,
            row.candidate.target,
            plan_digest=row.form.cleaned_data["plan"],
            consents=tuple(row.form.consents()),
        )
        for row in chosen
        if row.form is not None and row.candidate.build is not None
    ]

    def act() -> str:
        made.append(
            start_batch(
                request_actor(request),
                choices,
                parallel=form.cleaned_data["parallel"],
                comment=form.cleaned_data["comment"],
                task=run_batch.enqueue,
            )
        )
        return ""

    response = done(request, request.path, act)
    return HttpResponseRedirect(batch_url(made[0])) if made else response


@console_page
@require_GET
def batch(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one batch, target by target; htmx asks for its moving part alone."""
    if not (verdict := _verdict(request)):
        return forbidden(request, verdict, "batch.view")
    shown = get_object_or_404(Batch.objects.select_related("requested_by"), pk=pk)
    promotions = {one.environment_id: one for one in shown.promotions.all()}
    rows = []
    for item in shown.items.select_related("environment", "build__environment"):
        made = promotions.get(item.environment_id)
        rows.append(
            {
                "item": item,
                "promotion": made,
                "url": promotion_url(made) if made is not None else "",
                "words": item.message or (made.message if made is not None else ""),
                "active": item.status in BatchItem.ACTIVE,
            }
        )
    counts = summary(shown)
    partial = bool(getattr(request, "htmx", False))
    return show(
        request,
        "promotion/batch_progress.html" if partial else "promotion/batch.html",
        str(shown),
        batch=shown,
        rows=rows,
        words=summary_words(counts),
        waiting=counts[BatchItem.Status.WAITING.value],
    )


@console_page
@require_POST
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Let no further target of a batch begin."""
    if not (verdict := _verdict(request)):
        return forbidden(request, verdict, "batch.stop")
    shown = get_object_or_404(Batch, pk=pk)

    def act() -> str:
        count = stop_batch(request_actor(request), shown)
        return f"{count} targets will not be tried. What has begun goes on to its end."

    return done(request, batch_url(shown), act)
