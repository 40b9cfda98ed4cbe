"""Workflow tests as pages: write one, change it, record it from a session, take it out."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, show, signed_in
from environments.elastic import ElasticError
from promotion.common import done
from promotion.engine.errors import RuleBroken
from promotion.engine.workflow import MOST_EVENTS, RESOURCES
from promotion.models import Suite, SuiteTest
from promotion.suite_forms import VersionForm
from promotion.suite_offers import OFFERED, Offers, offers, recent_sessions, recorded
from promotion.suite_views import suite_for, suite_url
from promotion.suites import ACTION, keep_test, remove_test
from promotion.workflow_files import dump
from promotion.workflow_forms import (
    EVENTS,
    EXPECTED,
    Draft,
    WorkflowTestForm,
    draft_of,
    draft_sent,
    offer_list,
)


@console_page
@require_http_methods(["GET", "POST"])
def new_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Write a test; `session` fills the form from a recent session, `copy` from another test."""
    suite = suite_for(request, pk)
    return _test_page(request, suite, None)


@console_page
@require_http_methods(["GET", "POST"])
def change_test(request: HttpRequest, pk: int, test: int) -> HttpResponse:
    """Change a test; the earlier version stays with its results."""
    suite = suite_for(request, pk)
    kept = get_object_or_404(suite.kept.select_related("made_by"), pk=test)
    return _test_page(request, suite, kept)


def _test_page(request: HttpRequest, suite: Suite, kept: SuiteTest | None) -> HttpResponse:
    verdict = may(signed_in(request), Verb.CAPTURE, suite.environment)
    is_current = kept is None or kept.replaced_in is None
    if not verdict and (request.method == "POST" or kept is None):
        return forbidden(request, verdict, ACTION, suite)
    refused = trouble = ""
    data = request.POST if request.method == "POST" else None
    more = data.get("more", "") if data is not None else ""
    if data is not None and more in {EVENTS, EXPECTED}:
        form = WorkflowTestForm(None, draft=draft_sent(data, more))
    elif data is not None:
        form = WorkflowTestForm(data, draft=draft_sent(data, ""))
        if (test := form.test()) is not None:
            try:
                keep_test(
                    request_actor(request),
                    suite,
                    test,
                    version=form.cleaned_data["version"],
                    was=kept.name if kept is not None else "",
                    is_new=kept is None,
                )
            except RuleBroken as error:
                # What was written stays; sent again, it stands on what is shown now.
                suite.refresh_from_db()
                refused = str(error)
                form = WorkflowTestForm(None, draft=draft_sent(data, "").on(suite.version))
            else:
                return HttpResponseRedirect(suite_url(suite))
    else:
        draft, trouble = _draft(request, suite, kept)
        form = WorkflowTestForm(None, draft=draft)
    try:
        offered, unread = offers(suite.environment), ""
    except ElasticError as error:
        # What staging has is comfort: a test can be written without.
        offered, unread = Offers(), str(error)
    return show(
        request,
        "promotion/suite_test.html",
        kept.name if kept is not None else "New test",
        status=400 if data is not None and not more else 200,
        suite=suite,
        kept=kept,
        form=form,
        added=more,
        problem=refused or unread or trouble,
        lists=[(offer_list(name), offered.of(name)) for name in OFFERED],
        list_of={kind.value: offer_list(name) for kind, name in RESOURCES.items()},
        partial=offered.partial,
        # What was written stays on the page, also where another version came first.
        may_change=bool(verdict) and suite.retired_at is None and (is_current or data is not None),
        yaml=dump(kept.test) if kept is not None else "",
        version_form=VersionForm(initial={"version": suite.version}),
        versions=suite.kept.filter(name=kept.name).order_by("-id").select_related("made_by")
        if kept is not None
        else (),
    )


def _draft(request: HttpRequest, suite: Suite, kept: SuiteTest | None) -> tuple[Draft, str]:
    """Return what the form begins with, and what kept it from being filled."""
    facts: dict[str, Any] = kept.test.to_dict() if kept is not None else {}
    problem = ""
    if session := request.GET.get("session", ""):
        try:
            found = recorded(suite.environment, session)
        except ElasticError as error:
            problem = str(error)
        else:
            if found is None:
                raise Http404
            facts = found
            if len(found["events"]) == MOST_EVENTS:
                problem = (
                    f"Of this session only the first {MOST_EVENTS} events were taken: look at what "
                    "is expected."
                )
    elif (copied := request.GET.get("copy", "")).isdecimal() and len(copied) < 18:
        facts = get_object_or_404(suite.kept, pk=int(copied)).test.to_dict()
        facts["name"] = f"{facts['name']} (copy)"
    return draft_of(facts, suite.version), problem


@console_page
@require_GET
def record_test(request: HttpRequest, pk: int) -> HttpResponse:
    """List staging's recent sessions, each of which can be made into a test."""
    suite = suite_for(request, pk)
    verdict = may(signed_in(request), Verb.CAPTURE, suite.environment)
    if not verdict:
        return forbidden(request, verdict, ACTION, suite)
    problem = ""
    try:
        sessions = recent_sessions(suite.environment)
    except ElasticError as error:
        sessions, problem = [], str(error)
    return show(
        request,
        "promotion/record_test.html",
        f"Record a session for {suite.name}",
        status=503 if problem else 200,
        suite=suite,
        sessions=sessions,
        problem=problem,
    )


@console_page
@require_POST
def drop_test(request: HttpRequest, pk: int, test: int) -> HttpResponse:
    """Take a test out of its suite; its results stay."""
    suite, form = suite_for(request, pk), VersionForm(request.POST)
    kept = get_object_or_404(suite.kept, pk=test)
    version = form.cleaned_data["version"] if form.is_valid() else 0

    def act() -> str:
        remove_test(request_actor(request), suite, kept.name, version=version)
        return f"{kept.name} is not in it any more. Its results stay."

    return done(request, suite_url(suite), act)
