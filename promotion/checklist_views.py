"""The checklist of an environment's reviews, as a page for the administrator."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_http_methods

from accounts.audit import request_actor
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, show, signed_in
from environments.web import environment_for
from promotion.checklists import ACTION, change_checklist
from promotion.engine.errors import RuleBroken
from promotion.forms import ChecklistForm
from promotion.models import Checklist


@console_page
@require_http_methods(["GET", "POST"])
def checklist(request: HttpRequest, slug: str) -> HttpResponse:
    """Show an environment's checklist with its versions, and keep a new one."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    verdict = may(signed_in(request), Verb.MANAGE, shown)
    if not verdict:
        return forbidden(request, verdict, ACTION, shown)
    latest, problem = Checklist.of(shown), ""
    number = latest.version if latest is not None else 0
    initial = {"version": number, "lines": latest.lines if latest is not None else ""}
    form = ChecklistForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        words = form.cleaned_data
        try:
            change_checklist(
                request_actor(request), shown, words["lines"], version=words["version"]
            )
        except RuleBroken as error:
            # What was written stays on the page; sent again, it stands on what is shown below.
            problem = str(error)
            form = ChecklistForm(initial={**initial, "lines": words["lines"]})
        else:
            return HttpResponseRedirect(request.path)
    return show(
        request,
        "promotion/checklist.html",
        f"Checklist of {shown}",
        status=400 if request.method == "POST" else 200,
        shown=shown,
        form=form,
        problem=problem,
        next=number + 1,
        versions=Checklist.objects.filter(environment=shown).select_related("made_by")[:50],
    )
