"""What workflow tests go through of a build, as a page: what none does, what concerns a change."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, show, signed_in
from promotion import comparison
from promotion.common import build_for
from promotion.dependencies import configuration_of
from promotion.document_views import document_url
from promotion.engine.coverage import Ran, Reach, absent, touching
from promotion.engine.dependencies import Key, kind_of
from promotion.engine.diff import Change
from promotion.models import Build, RunResult, StoredGeneration, Suite, SuiteTest
from promotion.sides import LIVE, Side, of_build, side
from promotion.workflow_models import newest_by

# So many untouched documents of a resource are listed, and so many changes of a test.
MOST_LISTED: Final = 200
MOST_NAMED: Final = 8


@console_page
@require_GET
def coverage(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show which documents of a build no test touches, and which tests touch what changed."""
    build = build_for(request, slug, number)
    user = signed_in(request)
    suites = list(Suite.objects.in_use().filter(environment=build.environment))
    tests = list(
        SuiteTest.objects.filter(suite__in=suites, replaced_in=None).select_related("suite")
    )
    ran = _ran(build, tests)
    held = configuration_of(build)
    reach = Reach(held)
    touched: set[Key] = set()
    missing = []
    for one in tests:
        touched |= reach.touched(one.test, ran.get(one.pk))
        if gone := absent(one.test, held):
            missing.append((one, [(kind_of(key[0]), key[1]) for key in gone]))
    catalogue = build.environment.catalogue
    parts = [
        {
            "label": catalogue.get(part.resource).label,
            "part": part,
            "untouched": [
                (held.title(key), key[1], document_url(build, key))
                for key in part.untouched[:MOST_LISTED]
            ],
            "more": max(0, len(part.untouched) - MOST_LISTED),
        }
        for part in reach.parts(touched)
    ]
    return show(
        request,
        "promotion/coverage.html",
        f"Coverage of {build}",
        build=build,
        suites=suites,
        tests=len(tests),
        parts=parts,
        missing=missing,
        may_run=bool(may(user, Verb.CAPTURE, build.environment)),
        **_concerned(request, build, tests, reach, ran),
    )


def _ran(build: Build, tests: list[SuiteTest]) -> dict[int, Ran]:
    """Return what each test went through when it last ran on a build's content, by its key."""
    rows = RunResult.objects.filter(test__in=tests, run__content=build.content)
    held = newest_by("test", rows).values_list("test", "edges", "rules")
    return {test: Ran(list(edges), rules) for test, edges, rules in held}


def _base(request: HttpRequest, build: Build) -> Side | None:
    """Return what a build's target serves, where this person may see that."""
    target = build.target
    if target is None or not may(signed_in(request), Verb.VIEW_BUILD, target):
        return None
    return side(target, LIVE) if StoredGeneration.live_in(target) is not None else None


def _concerned(
    request: HttpRequest,
    build: Build,
    tests: list[SuiteTest],
    reach: Reach,
    ran: dict[int, Ran],
) -> dict[str, Any]:
    """Return which tests go through what the build changes, by suite."""
    base = _base(request, build)
    if base is None:
        return {"base": None}
    after = of_build(build)
    rows = [row for row in comparison.rows(base, after) if row.kind is not Change.NOISE]
    titles = {row.key: row.title for row in rows}
    by_key = {str(one.pk): one for one in tests}
    found = touching(
        list(titles),
        {key: one.test for key, one in by_key.items()},
        [Reach(base.configuration), reach],
        {str(pk): one for pk, one in ran.items()},
    )
    reached = {key for keys in found.values() for key in keys}
    unreached = [row for row in rows if row.key not in reached]
    suites: dict[Suite, list[tuple[SuiteTest, list[str], int]]] = {}
    for name, keys in found.items():
        test = by_key[name]
        words = [f"{kind_of(key[0])} “{titles[key]}”" for key in keys[:MOST_NAMED]]
        suites.setdefault(test.suite, []).append((test, words, max(0, len(keys) - MOST_NAMED)))
    return {
        "base": base,
        "changed": len(rows),
        "concerned": sorted(suites.items(), key=lambda pair: pair[0].name),
        "concerned_total": len(found),
        "unreached_total": len(unreached),
        "unreached": [
            (kind_of(row.resource.name), row.title, row.kind.value, row.id)
            for row in unreached[:MOST_LISTED]
        ],
    }
