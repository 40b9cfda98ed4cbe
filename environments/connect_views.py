"""The wizard as pages: a cluster, what is in it, and the environments that it becomes."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.confirming import administrator_page
from accounts.roles import Verb
from accounts.web import FilterForm, console_page, listing, paged, show
from environments.cluster_forms import ClusterForm
from environments.connect_forms import MOST_AT_ONCE, NewEnvironmentForm, RemoveForm
from environments.connect_rows import chosen_sets, gap_words, rows_of
from environments.connecting import (
    ConnectError,
    NotMadeError,
    check_connection,
    keep_cluster,
    make_environments,
    recipes_of,
    remove_cluster,
    remove_environment,
    remove_problem,
)
from environments.discovery import Discovery, IndexSet
from environments.elastic import ElasticError
from environments.faults import TrialError
from environments.first_few import first_few
from environments.installations import TooManyError, connected, look
from environments.models import Cluster, Environment, SavedView, Summary
from environments.rights import lacking_rights
from environments.suggesting import suggest
from environments.web import environment_for

STRANGE_LISTED = 10
_MOST_NAMED = 5


def cluster_url(cluster: Cluster) -> str:
    return reverse("environments:connect-cluster", args=[cluster.pk])


# Where the console connects, and with which password, gives production away: hence the proof.
@administrator_page("cluster.added", proof=True)
@require_http_methods(["GET", "POST"])
def connect(request: HttpRequest) -> HttpResponse:
    """Ask for a cluster, try it, and keep it; or choose one that is there."""
    form = ClusterForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        made: Cluster = form.save(commit=False)
        keep_cluster(request_actor(request), made, form.changed_data)
        messages.success(request, f"{form.proof.engine} answers. {made} is connected.")
        if twins := form.twins():
            words = f"It is the same cluster as {', '.join(twins)}, reached another way."
            messages.warning(request, words)
        return HttpResponseRedirect(cluster_url(made))
    rows = Cluster.objects.annotate(count=Count("environments")).order_by("name")
    return show(
        request,
        "environments/connect.html",
        "Connect",
        status=400 if form.errors else 200,
        form=form,
        listing=listing(request, rows, search=["name", "url"]),
    )


def _look(cluster: Cluster, query: str) -> tuple[Discovery | None, str, bool]:
    """Return what is in a cluster, or why that cannot be said, and whether it was cut short."""
    try:
        return look(cluster), "", False
    except TooManyError as error:
        if not query:
            return None, str(error), True
    except ElasticError as error:
        return None, str(error), False
    try:
        return look(cluster, query), "", True
    except ElasticError as error:
        return None, str(error), False


@administrator_page("cluster.view")
@require_GET
def cluster(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the installations in a cluster, to be ticked."""
    shown = get_object_or_404(Cluster, pk=pk)
    form = FilterForm(request.GET, search=["tenant"])
    query = form.chosen().get("q", "").strip()
    found, problem, bounded = _look(shown, query.lower())
    rows = list(rows_of(found, connected(shown))) if found is not None else []
    fitting = [row for row in rows if row.fits(query)] if query else rows
    found_rows = paged(request, fitting, form)
    return show(
        request,
        "environments/installations.html",
        f"Installations in {shown}",
        status=503 if problem and not bounded else 200,
        shown=shown,
        problem=problem,
        bounded=bounded,
        # One or two need no search; it stays where it is the way to find any.
        listing=found_rows,
        searches=bounded or bool(query) or found_rows.page.paginator.num_pages > 1,
        total=len(rows),
        strange=found.strange[:STRANGE_LISTED] if found is not None else (),
        strange_more=max(0, len(found.strange) - STRANGE_LISTED) if found is not None else 0,
        can_choose=any(cell.can_be_chosen for row in found_rows.page for cell in row.cells),
    )


@administrator_page("environment.added", proof=True)
@require_http_methods(["GET", "POST"])
def environments(request: HttpRequest, pk: int) -> HttpResponse:
    """Name what was ticked, and make environments of it."""
    shown = get_object_or_404(Cluster, pk=pk)
    keys = request.GET.getlist("set")

    def page(status: int, problem: str = "", **more: Any) -> HttpResponse:
        return show(
            request,
            "environments/new_environments.html",
            f"Connect installations of {shown}",
            status=status,
            shown=shown,
            problem=problem,
            **more,
        )

    if not keys:
        return page(400, "Nothing is ticked. Go back and tick what is to be connected.")
    if len(keys) > MOST_AT_ONCE:
        return page(400, f"Tick at most {MOST_AT_ONCE} at once. Nothing was made.")
    try:
        sets, gone = _chosen(shown, keys)
    except ElasticError as error:
        return page(503, f"{error} Nothing was made.")
    if gone:
        words = f"Not in {shown}, or not to be connected: {', '.join(gone)[:300]}. Go back."
        return page(400, words)
    suggested = suggest([one.naming for one in sets])
    data = request.POST if request.method == "POST" else None
    forms = [NewEnvironmentForm(data, one, suggested[one.key]) for one in sets]
    # All of them, so that each says what is wrong with it.
    valid = [form.is_valid() for form in forms]
    if data is not None and all(valid):
        try:
            made = make_environments(
                request_actor(request), shown, [form.wanted() for form in forms]
            )
        except NotMadeError as error:
            for form in forms:
                form.blame(error.problems.get(form.found.key, {}))
        else:
            names = ", ".join(str(one) for one in made)
            messages.success(request, f"Connected: {names}. Grant them to people next.")
            return HttpResponseRedirect(reverse("promotion:environments"))
    there = connected(shown)
    rows = [(form, gap_words(form.found), there.get(form.found.key)) for form in forms]
    wrong = data is not None
    return page(400 if wrong else 200, "Nothing was made." if wrong else "", rows=rows)


def _chosen(shown: Cluster, keys: list[str]) -> tuple[list[IndexSet], list[str]]:
    """Return the sets that were ticked, and the keys of those that are not there."""
    try:
        return chosen_sets(look(shown), keys)
    except TooManyError:
        sets: list[IndexSet] = []
        gone: list[str] = []
        for tenant in dict.fromkeys(key.rpartition(".")[2] for key in keys):
            some = [key for key in keys if key.rpartition(".")[2] == tenant]
            there, lost = chosen_sets(look(shown, tenant), some)
            sets, gone = [*sets, *there], [*gone, *lost]
        return sets, gone


@administrator_page("cluster.test")
@require_POST
def try_cluster(request: HttpRequest, pk: int) -> HttpResponse:
    """Try a saved cluster as it is saved, and say how it went."""
    shown = get_object_or_404(Cluster, pk=pk)
    try:
        proof = check_connection(request_actor(request), shown)
    except TrialError as error:
        messages.error(request, f"{shown}: {error}")
    else:
        messages.success(request, f"{shown}: {proof.engine} answers, and lets the console look.")
        namings = [one.naming for one in shown.environments.all()]
        if words := lacking_rights(shown, proof.engine, namings):
            messages.warning(request, words)
    back = f"{reverse('environments:connect')}?{urlencode({'q': shown.name})}"
    if request.POST.get("back") == "change":
        back = reverse("admin:environments_cluster_change", args=[shown.pk])
    return HttpResponseRedirect(back)


@administrator_page("cluster.removed", proof=True)
@require_http_methods(["GET", "POST"])
def remove_a_cluster(request: HttpRequest, pk: int) -> HttpResponse:
    """Explain and do the removal of a cluster."""
    shown = get_object_or_404(Cluster, pk=pk)
    count = shown.environments.count()
    return _removal(
        request,
        f"Remove {shown}",
        lambda: remove_cluster(request_actor(request), shown),
        said=f"{shown} is removed, and its credentials with it.",
        to=reverse("environments:connect"),
        problem=f"It has {count} environment{'' if count == 1 else 's'}. Remove those first."
        if count
        else "",
        words="Its address and credentials are deleted here. The cluster itself stays as it is.",
        back=reverse("admin:environments_cluster_change", args=[shown.pk]),
    )


@console_page
@require_http_methods(["GET", "POST"])
def remove_an_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Explain and do the removal of an environment, where it is one that may be seen."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    return _remove_environment(request, shown)


@administrator_page("environment.removed", proof=True)
def _remove_environment(request: HttpRequest, shown: Environment) -> HttpResponse:
    return _removal(
        request,
        f"Remove {shown}",
        lambda: remove_environment(request_actor(request), shown),
        said=f"{shown} is removed from the console.",
        to=reverse("promotion:environments"),
        problem=remove_problem(shown),
        words="The console forgets it, and who was granted it. Its indices in the cluster and its "
        f"Tracardi stay as they are; it can be connected again.{_recipes_too(shown)}"
        f"{_views_too(shown)}",
        back=reverse("admin:environments_environment_change", args=[shown.pk]),
    )


def _removal(
    request: HttpRequest, title: str, remove: Callable[[], None], *, said: str, to: str, **page: str
) -> HttpResponse:
    """Show what a removal means, or do it, say so and go on elsewhere."""
    form = RemoveForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            remove()
        except ConnectError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)
        messages.success(request, said)
        return HttpResponseRedirect(to)
    status = 400 if request.method == "POST" else 200
    return show(request, "environments/remove.html", title, status=status, form=form, **page)


def _recipes_too(shown: Environment) -> str:
    """Return what is said of the recipes that go with an environment, where there are some."""
    names = [str(one) for one in recipes_of(shown)]
    if not names:
        return ""
    return (
        f" Its deployment recipes go with it: {first_few(names, _MOST_NAMED)}. Download first what "
        "you still need."
    )


def _views_too(shown: Environment) -> str:
    """Return what is said of people's views that go with an environment, and of their mails."""
    saved = SavedView.objects.filter(environment=shown).select_related("owner")
    views = list(saved.prefetch_related("shares"))
    shared = [f"“{one.name}” of {one.owner.label}" for one in views if one.roles]
    # What somebody keeps to themselves is counted, and not named.
    own, mails = len(views) - len(shared), Summary.objects.filter(environment=shown).count()
    named = first_few(shared, _MOST_NAMED)
    words = [
        f"Shared views of its dashboard go with it: {named}." if shared else "",
        f"Views that people keep to themselves go with it: {own}." if own else "",
        f"Weekly summaries of it end: {mails}." if mails else "",
    ]
    return "".join(f" {one}" for one in words if one)
