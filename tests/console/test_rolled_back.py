"""What home says of a build that was rolled back; no engine is behind these."""

from collections.abc import Collection

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from environments.models import Environment
from promotion import overview
from promotion.attention import rolled_back_at
from promotion.changes import Changed
from promotion.models import Build, Review, StoredGeneration, WorkerSign
from tests.console.shops import judge, keep, person, put_live
from tests.factories import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
NOTHING = "Nothing needs you now."


@pytest.fixture
def admin(shop: Environment, monkeypatch: pytest.MonkeyPatch) -> User:
    """The administrator of a shop whose worker is there, and whose staging was not written to."""
    WorkerSign.objects.create(name="w", parts=[part.value for part in WorkerSign.Part])

    def unchanged(pairs: Collection[tuple[Environment, Build | None]]) -> dict[int, Changed]:
        return {staging.pk: Changed(False, "") for staging, _ in pairs}

    monkeypatch.setattr(overview, "changes_since", unchanged)
    return person(Role.ADMINISTRATOR, shop)


def look(user: User) -> str:
    answer = enter(user).get(reverse("admin:index"), secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


def offer(build: Build) -> str:
    return f">{build} is approved</a>: it may go live in Production."


def test_what_was_rolled_back_is_not_offered_again(
    shop: Environment, admin: User, qa: User
) -> None:
    before, bad = keep(shop, {"a": "One"}), keep(shop, {"a": "Bad"})
    put_live(before)
    judge(bad, qa)
    text = look(admin)
    assert offer(bad) in text
    assert f"{bad} is approved and may go live." in text
    put_live(bad)
    put_live(before, "rollback")
    text = look(admin)
    assert NOTHING in text
    assert "may go live" not in text
    assert f"{bad} was live until " in text
    assert "and was rolled back: change staging, then capture again." in text
    # What is captured again is the same, and what is not is another thing.
    keep(shop, {"a": "Bad"})
    assert NOTHING in look(admin)
    mended = keep(shop, {"a": "Mended"})
    assert f"{mended} waits for QA." in look(admin)
    judge(mended, qa)
    assert offer(mended) in look(admin)


def test_what_was_swapped_back_may_still_go_live(shop: Environment, admin: User, qa: User) -> None:
    before, build = keep(shop, {"a": "One"}), keep(shop, {"a": "Two"})
    live = put_live(before)
    judge(build, qa)
    # Verification failed, and the one before was put back.
    failed = put_live(build, status="failed")
    StoredGeneration.objects.filter(pk=failed.pk).update(is_live=False)
    StoredGeneration.objects.filter(pk=live.pk).update(is_live=True)
    assert offer(build) in look(admin)


def test_what_was_approved_since_its_rollback_may_go_live(
    shop: Environment, admin: User, qa: User
) -> None:
    before, build = keep(shop, {"a": "One"}), keep(shop, {"a": "Two"})
    for one, kind in ((before, "promote"), (build, "promote"), (before, "rollback")):
        put_live(one, kind)
    judge(build, qa)
    assert offer(build) in look(admin)
    Review.objects.update(reviewed_at=timezone.now().replace(year=2020))
    assert offer(build) not in look(admin)
    assert rolled_back_at(build) is not None
    # It was promoted again, and something else was since, which is no rollback.
    put_live(build)
    put_live(before)
    assert rolled_back_at(build) is None
