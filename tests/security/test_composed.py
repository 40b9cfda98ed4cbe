"""What was composed holds what production serves: who may see staging alone does not see it."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.audit import system_actor
from accounts.services import revoke
from environments.models import Environment
from promotion.models import Build, Review
from tests.security.world import HERE, World, ask, make_build

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
SECRET = "Only production has this"


@pytest.fixture
def composed(world: World) -> Build:
    """An approved composed build, a capture after it, and QA without a grant on production."""
    staging = Environment.objects.get(slug=f"{HERE}-staging")
    qa = world.people["qa"]
    assert qa is not None
    assert staging.promotes_to is not None
    made = make_build(staging, 3, SECRET, kind=Build.Kind.COMPOSED)
    Review.objects.create(
        build=made,
        environment=staging,
        content=made.content,
        verdict=Review.Verdict.APPROVED,
        reviewed_by=qa,
    )
    make_build(staging, 4, "A later flow")
    revoke(system_actor(), qa, staging.promotes_to)
    return made


def addresses() -> list[str]:
    """Return each address that could show a document of build 3."""
    slug = f"{HERE}-staging"
    three = [slug, 3]
    found = [
        reverse(f"promotion:{name}", args=three)
        for name in ("build", "compose", "coverage", "comment")
    ]
    found += [
        reverse("promotion:document", args=[*three, "flow"]) + "?id=f1",
        reverse("promotion:build", args=[slug, 4]),
        reverse("promotion:build", args=[slug, 4]) + "?against=approved",
        reverse("promotion:history", args=[slug, "flow"]) + "?id=f1",
        reverse("promotion:builds"),
        reverse("promotion:reviews"),
        reverse("admin:index"),
    ]
    for before, after in (("3", "4"), ("4", "3")):
        sides = f"?before={slug}:{before}&after={slug}:{after}"
        found += [
            reverse("promotion:compare") + sides,
            reverse("promotion:compare-way") + sides,
            reverse("promotion:compare-document") + f"{sides}&resource=flow&id=f1",
        ]
    comment = reverse("promotion:comment", args=[slug, 4])
    return [*found, f"{comment}?resource=flow&id=f1&before={slug}:3"]


def test_no_page_shows_a_composed_build_to_who_may_not_see_production(
    composed: Build, world: World
) -> None:
    seen = {"qa": 0, "administrator": 0}
    for address in addresses():
        for person in seen:
            answer = ask(world.browser(person), "GET", address)
            assert answer.status in {200, 404}, address
            seen[person] += SECRET.encode() in answer.body
    assert seen["qa"] == 0
    assert seen["administrator"] >= 8


def test_no_command_shows_it_either(composed: Build, tmp_path: Path) -> None:
    slug = f"{HERE}-staging"
    for words in (
        ("diff", f"{slug}:3", f"{slug}:4"),
        ("diff", f"{slug}:4", f"{slug}:3"),
        ("export", f"{slug}:3", str(tmp_path / "qa")),
    ):
        out = io.StringIO()
        with pytest.raises(SystemExit) as end:
            call_command(*words, "--as", "qa", stdout=out, stderr=out)
        assert (end.value.code, SECRET in out.getvalue()) == (3, False)
        assert not (tmp_path / "qa").exists()
    out = io.StringIO()
    call_command("diff", f"{slug}:4", f"{slug}:3", "--as", "administrator", stdout=out)
    assert SECRET in out.getvalue()
