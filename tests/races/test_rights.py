"""An account or an approval that is gone between the click and the switch."""

from collections.abc import Callable

import pytest
from django.urls import reverse

from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.services import sync_roles
from promotion.engine.errors import RuleBroken
from promotion.models import Review
from tests.factories import enter
from tests.faults.proxy import Proxy
from tests.faults.scenes import last
from tests.faults.world import Content, World
from tests.races.at_once import when

pytestmark = pytest.mark.django_db
# The fence's own question, and the block of an unlocked environment: just before the switch.
MOMENTS = {
    "locked": r"GET /[^?]*/_stats/docs",
    "unlocked": r"PUT /.*/_block/write",
}
Loss = Callable[[World], object]


def admin(world: World) -> User:
    assert isinstance(world.people.admin.user, User)
    return world.people.admin.user


def disable(world: World) -> None:
    User.objects.filter(pk=admin(world).pk).update(is_active=False)


def demote(world: World) -> None:
    User.objects.filter(pk=admin(world).pk).update(role=Role.QA.value)
    sync_roles()


def reject(world: World) -> None:
    """Turn the verdict of the newest review, as only the database's own administrator may."""
    newest = Review.objects.order_by("-pk").values_list("pk", flat=True)[0]
    Review.objects.filter(pk=newest).update(verdict=Review.Verdict.REJECTED)


def withdraw(world: World) -> None:
    Review.objects.order_by("-pk")[0].delete()


LOSSES: dict[str, tuple[Loss, str]] = {
    "disabled": (disable, "active account"),
    "demoted": (demote, "may not"),
    "rejected": (reject, "is rejected"),
    "withdrawn": (withdraw, "is not reviewed"),
}


def restore(world: World) -> None:
    User.objects.filter(pk=admin(world).pk).update(is_active=True, role=Role.ADMINISTRATOR.value)
    sync_roles()


@pytest.mark.parametrize("lock", MOMENTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_who_or_what_is_not_allowed_any_more_is_refused_right_before_the_switch(
    world: World, old: Content, proxy: Proxy, plain_static_files: None, loss: str, lock: str
) -> None:
    lose, words = LOSSES[loss]
    ready = world.prepared()
    assert ready.build is not None
    if lock == "unlocked":
        world.unlocked()
    client = enter(admin(world))
    staging, number = ready.build.environment, ready.build.number
    address = reverse("promotion:promote", args=[staging.slug, number])
    try:
        with when(proxy, MOMENTS[lock], lambda: lose(world)):
            client.post(address, {"plan": ready.plan_digest}, secure=True)
    finally:
        restore(world)
    made = last(world, "promote")
    assert made.prepared == ready
    assert made.status == "failed"
    assert words in made.message
    assert "Nothing was switched" in made.message
    assert AuditEvent.objects.filter(action="promote.failed", object_id=str(made.pk)).exists()
    assert world.served() == old


@pytest.mark.parametrize("loss", ["disabled", "demoted"])
def test_who_is_not_allowed_any_more_does_not_roll_back_either(
    world: World, old: Content, proxy: Proxy, loss: str
) -> None:
    lose, words = LOSSES[loss]
    world.promoted()
    before = world.served()
    try:
        # Its marker is made right before the fence.
        with (
            when(proxy, r"PUT /tracardi-console\.prod", lambda: lose(world)),
            pytest.raises(RuleBroken, match=words),
        ):
            world.roll_back()
    finally:
        restore(world)
    assert last(world, "rollback").status == "failed"
    assert world.served() == before != old
