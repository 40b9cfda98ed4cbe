"""The recipe of a pair as pages, for the administrator."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.authorising import NotAllowedError
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import FilterForm, console_page, forbidden, not_allowed, paged, show, signed_in
from environments.models import Environment, RecipeVersion
from environments.recipes.changes import changes
from environments.recipes.forms import RecipeForm
from environments.recipes.services import (
    DOWNLOADED,
    SEEN,
    RecipeError,
    archive,
    hand_out,
    latest,
    outdated,
    save,
)
from environments.web import environment_for

_TYPE = "text/plain; charset=utf-8"


@console_page
@require_http_methods(["GET", "POST"])
def recipes(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the newest recipe of a pair with what changed last, and keep a new version."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    verdict = may(signed_in(request), Verb.MANAGE, shown)
    if not verdict:
        return forbidden(request, verdict, SEEN, shown)
    version = None if shown.is_production else latest(shown)
    kept = dict(version.answers, version_shown=version.number) if version is not None else {}
    asked = request.method == "POST"
    form = RecipeForm(shown, request.POST if asked else None, kept)
    problem = ""
    if asked and form.is_valid() and form.answers is not None:
        number = form.cleaned_data["version_shown"]
        try:
            made, is_new = save(request_actor(request), shown, form.answers, shown=number)
        except NotAllowedError as error:
            return not_allowed(request, error)
        except RecipeError as error:
            problem = str(error)
            # What was typed stays on the page; sent again, it stands on what is shown there.
            typed = {name: request.POST.get(name, "") for name in form.fields}
            newest = version.number if version is not None else 0
            form = RecipeForm(shown, None, {**typed, "version_shown": newest})
        else:
            words = f"{made} is saved." if is_new else f"Nothing differs from {made}: it stays."
            messages.success(request, words)
            return HttpResponseRedirect(request.path)
    versions = RecipeVersion.objects.filter(staging=shown).select_related("made_by")
    return show(
        request,
        "environments/recipes.html",
        f"Deployment recipe of {shown}",
        status=400 if asked else 200,
        shown=shown,
        fed_by=shown.fed_by.all() if shown.is_production else (),
        version=version,
        files=version.texts.items() if version is not None else (),
        changed=_changed(version),
        outdated=outdated(version) if version is not None else "",
        listing=paged(request, versions, FilterForm(request.GET)),
        form=form,
        is_open=asked or version is None,
        problem=problem,
    )


@console_page
@require_GET
def recipe_version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show a version of a recipe, and what it changed."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    verdict = may(signed_in(request), Verb.MANAGE, shown)
    if not verdict:
        return forbidden(request, verdict, SEEN, shown)
    version = _version(shown, number)
    return show(
        request,
        "environments/recipe_version.html",
        str(version),
        shown=shown,
        version=version,
        files=version.texts.items(),
        changed=_changed(version),
    )


@console_page
@require_POST
def download_recipe(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Hand a version's files out, all in a zip or the one that is named."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    verdict = may(signed_in(request), Verb.MANAGE, shown)
    if not verdict:
        return forbidden(request, verdict, DOWNLOADED, shown)
    version, path = _version(shown, number), request.POST.get("file", "")
    try:
        hand_out(request_actor(request), version, path)
    except NotAllowedError as error:
        return not_allowed(request, error)
    except RecipeError as error:
        raise Http404 from error
    if path:
        answer = HttpResponse(version.texts[path], content_type=_TYPE)
        name = path.replace("/", "-").replace("-.", "-").lstrip(".")
    else:
        answer = HttpResponse(archive(version), content_type="application/zip")
        name = f"{shown.slug}-recipe-{version.number}.zip"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _version(shown: Environment, number: int) -> RecipeVersion:
    found: RecipeVersion = get_object_or_404(
        RecipeVersion.objects.select_related("made_by", "staging", "production"),
        staging=shown,
        number=number,
    )
    return found


def _changed(version: RecipeVersion | None) -> list[object]:
    """Return what a version changed of the one before; all is new in the first."""
    if version is None:
        return []
    before = RecipeVersion.objects.filter(
        staging=version.staging_id, production=version.production_id, number__lt=version.number
    ).first()
    return list(changes(before.texts, version.texts)) if before is not None else []
