"""Suites of workflow tests as pages: the list, one suite, and what is done to it as a whole."""

import io
import zipfile
from collections.abc import Callable

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.policy import may, may_anywhere
from accounts.roles import Verb
from accounts.web import console_page, forbidden, listing, show, signed_in
from environments.models import Environment
from environments.web import environment_filter
from promotion.buttons import PRIMARY, Button
from promotion.common import done
from promotion.engine.errors import RuleBroken
from promotion.engine.workflow import BadWorkflowError, WorkflowTest
from promotion.models import Build, RunResult, Suite, SuiteRun
from promotion.suite_files import file_names
from promotion.suite_forms import (
    ImportForm,
    RenameForm,
    RequirementForm,
    SuiteForm,
    VersionForm,
)
from promotion.suite_runs import address_problem
from promotion.suites import add_tests, make_suite, rename_suite, require_suite, retire_suite
from promotion.workflow_files import dump, load
from promotion.workflow_models import newest_by

RUNS_LISTED = 10


def suite_url(suite: Suite, name: str = "suite") -> str:
    return reverse(f"promotion:{name}", args=[suite.pk])


def run_url(run: SuiteRun, name: str = "suite-run") -> str:
    return reverse(f"promotion:{name}", args=[run.pk])


def visible_suites(request: HttpRequest) -> QuerySet[Suite]:
    """Return the suites that a person may see, retired ones too."""
    seen = Environment.objects.visible_to(signed_in(request), Verb.VIEW_BUILD)
    return Suite.objects.filter(environment__in=seen).select_related("environment", "made_by")


def suite_for(request: HttpRequest, pk: int) -> Suite:
    """Return a suite that this person may see; one of others is not there at all."""
    return get_object_or_404(visible_suites(request), pk=pk)


def changeable(request: HttpRequest) -> list[Environment]:
    """Return the staging environments whose suites this person may change."""
    user = signed_in(request)
    rows = Environment.objects.visible_to(user, Verb.CAPTURE)
    return [one for one in rows if not one.is_production]


@console_page
@require_GET
def suites(request: HttpRequest) -> HttpResponse:
    """List suites, each with its last run."""
    user = signed_in(request)
    if not may_anywhere(user, Verb.VIEW_BUILD):
        return forbidden(request, may(user, Verb.VIEW_BUILD), "suites.list")
    last = SuiteRun.objects.filter(suite=OuterRef("pk")).order_by("-id").values("pk")[:1]
    rows = (
        visible_suites(request)
        .filter(retired_at=None)
        .annotate(last_run=Subquery(last), size=Count("kept", filter=Q(kept__replaced_in=None)))
    )
    filters = (environment_filter(user, Verb.VIEW_BUILD),)
    found = listing(request, rows.order_by("environment__name", "name"), filters, ["name"])
    runs = SuiteRun.objects.in_bulk([one.last_run for one in found.page if one.last_run])
    return show(
        request,
        "promotion/suites.html",
        "Workflow tests",
        listing=found,
        rows=[(one, runs.get(one.last_run)) for one in found.page],
        may_make=bool(changeable(request)),
    )


@console_page
@require_http_methods(["GET", "POST"])
def new_suite(request: HttpRequest) -> HttpResponse:
    """Make an empty suite."""
    environments = changeable(request)
    verdict = may(signed_in(request), Verb.CAPTURE)
    if not environments and not verdict:
        return forbidden(request, verdict, "suite.change")
    data = request.POST if request.method == "POST" else None
    form = SuiteForm(data, environments, request.GET.get("environment", ""))
    if form.is_valid():
        [chosen] = [one for one in environments if one.slug == form.cleaned_data["environment"]]
        try:
            made = make_suite(request_actor(request), chosen, form.cleaned_data["name"])
        except RuleBroken as error:
            form.add_error("name", str(error))
        else:
            return HttpResponseRedirect(suite_url(made))
    return show(
        request,
        "promotion/new_suite.html",
        "New suite of workflow tests",
        status=400 if data is not None else 200,
        form=form,
    )


@console_page
@require_GET
def suite(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one suite: its tests with what they showed last, and its runs."""
    return _suite_page(request, suite_for(request, pk), None)


def _suite_page(request: HttpRequest, shown: Suite, import_form: ImportForm | None) -> HttpResponse:
    user, environment = signed_in(request), shown.environment
    tests = list(shown.tests.select_related("made_by"))
    newest = newest_by("test", RunResult.objects.filter(test__in=tests))
    by_test = {one.test_id: one for one in newest.select_related("run").defer("exchange")}
    runs = listing(request, shown.runs.select_related("requested_by"), size=RUNS_LISTED)
    is_in_use = shown.retired_at is None
    may_change = is_in_use and bool(may(user, Verb.CAPTURE, environment))
    active = SuiteRun.objects.filter(environment=environment, status__in=SuiteRun.ACTIVE).first()
    return show(
        request,
        "promotion/suite.html",
        shown.name,
        status=400 if import_form is not None else 200,
        suite=shown,
        rows=[(one, by_test.get(one.pk)) for one in tests],
        listing=runs,
        active=active,
        is_in_use=is_in_use,
        may_change=may_change,
        version_form=VersionForm(initial={"version": shown.version}),
        rename_form=RenameForm(initial={"name": shown.name}),
        import_form=import_form or ImportForm(initial={"version": shown.version}),
        requirement_form=RequirementForm(initial={"requirement": shown.requirement})
        if is_in_use and may(user, Verb.MANAGE, environment)
        else None,
        newest=Build.last_read(environment),
        buttons=_buttons(shown, active, has_tests=bool(tests)) if may_change else [],
    )


def _buttons(shown: Suite, active: SuiteRun | None, *, has_tests: bool) -> list[Button]:
    # The service looks the addresses' names up; a page does not wait for that.
    reason = address_problem(shown.environment, looks_up=False)
    if not reason and not has_tests:
        reason = "It has no test yet."
    if not reason and active is not None:
        reason = f"{active} goes on."
    return [
        Button("Run all tests", suite_url(shown, "run-suite"), "post", PRIMARY, reason),
        Button("Write a test", suite_url(shown, "new-test")),
        Button("Record a session", suite_url(shown, "record-test")),
    ]


def _changed(
    request: HttpRequest, shown: Suite, words: str, change: Callable[[], object]
) -> HttpResponse:
    """Change a suite and go back to its page."""

    def act() -> str:
        change()
        return words

    return done(request, suite_url(shown), act)


@console_page
@require_POST
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a suite another name."""
    shown, form = suite_for(request, pk), RenameForm(request.POST)
    name = form.cleaned_data["name"] if form.is_valid() else ""
    return _changed(
        request,
        shown,
        "It is renamed.",
        lambda: rename_suite(request_actor(request), shown, name),
    )


@console_page
@require_POST
def require(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what an approval needs of a suite."""
    shown, form = suite_for(request, pk), RequirementForm(request.POST)
    wanted = form.cleaned_data["requirement"] if form.is_valid() else shown.requirement
    return _changed(
        request,
        shown,
        "It is kept." if form.is_valid() else "",
        lambda: require_suite(request_actor(request), shown, Suite.Requirement(wanted)),
    )


@console_page
@require_POST
def retire(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a suite out of use."""
    shown, form = suite_for(request, pk), VersionForm(request.POST)
    version = form.cleaned_data["version"] if form.is_valid() else 0
    return _changed(
        request,
        shown,
        "It is retired. Its runs stay.",
        lambda: retire_suite(request_actor(request), shown, version=version),
    )


@console_page
@require_GET
def export_suite(request: HttpRequest, pk: int) -> HttpResponse:
    """Download a suite's tests: one YAML file a test, as `manage.py export-suite` writes them."""
    shown = suite_for(request, pk)
    tests = [one.test for one in shown.tests]
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, test in zip(file_names(tests), tests, strict=True):
            # Equal tests make an equal file: no time of this day in it.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), dump(test))
    answer = HttpResponse(held.getvalue(), content_type="application/zip")
    name = slugify(shown.name) or "suite"
    answer["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    return answer


@console_page
@require_POST
def import_tests(request: HttpRequest, pk: int) -> HttpResponse:
    """Take tests from YAML files: each adds one, or replaces the one of its name; all or none."""
    shown = suite_for(request, pk)
    form = ImportForm(request.POST, request.FILES)
    tests: list[WorkflowTest] = []
    if form.is_valid():
        for file in form.cleaned_data["tests"]:
            try:
                tests.append(load(file.read().decode()))
            except UnicodeDecodeError:
                form.add_error("tests", f"{file.name}: the file is no UTF-8.")
            except BadWorkflowError as error:
                form.add_error("tests", f"{file.name}: {error}")
    if not form.is_valid():
        return _suite_page(request, shown, form)
    return _changed(
        request,
        shown,
        f"{len(tests)} test{'s were' if len(tests) != 1 else ' was'} taken.",
        lambda: add_tests(
            request_actor(request), shown, tests, version=form.cleaned_data["version"]
        ),
    )
