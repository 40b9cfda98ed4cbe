"""The administration: its actions, and whose whole form is kept.

Its addresses are rows of tests/security/matrix.py.
"""

from typing import Any, Final

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse
from guardian.models import UserObjectPermission

from accounts.models import User
from environments.models import Cluster, Environment
from tests.security.tally import CELLS
from tests.security.world import ADMINISTRATOR, AUDIT, DISABLED, NOBODY, PERSONS, World, ask

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
# Model -> its actions, Django's and Unfold's. There are none, so that nothing is done to many at
# once and no link changes anything: a new one needs a name here, and its own cells below.
ACTIONS: Final[dict[str, set[str]]] = {
    "environments.cluster": set(),
    "environments.environment": set(),
}
UNFOLD: Final = (
    "actions_list",
    "actions_row",
    "actions_detail",
    "actions_submit_line",
    "inlines",
    "list_editable",
)
# A whole form of each model, which would be kept, and the status for each person.
NEW: Final[dict[str, dict[str, Any]]] = {
    "environments_environment": {
        "name": "New",
        "slug": "new",
        "kind": "staging",
        "version": "0.8.2",
        "tenant": "new",
        # Else its cluster is asked, which answers nothing in this world.
        "not_installed": "on",
    },
}
MAY: Final = dict.fromkeys(PERSONS, 403) | {NOBODY: 302, DISABLED: 302, ADMINISTRATOR: 302}


def test_every_admin_action_is_in_the_table(world: World) -> None:
    request = RequestFactory().get("/")
    request.user = world.people[ADMINISTRATOR]  # type: ignore[assignment]
    found = {}
    for model, one in admin.site._registry.items():
        actions = set(one.get_actions(request))
        for kind in UNFOLD:
            actions |= {str(action) for action in getattr(one, kind, ()) or ()}
        found[model._meta.label_lower] = actions
    assert found == ACTIONS
    assert set(admin.site._actions) == {"delete_selected"}


@pytest.mark.parametrize("person", PERSONS)
@pytest.mark.parametrize("model", [Cluster, Environment])
def test_djangos_own_action_deletes_nothing_for_anybody(
    person: str, model: type[Any], world: World, request: pytest.FixtureRequest
) -> None:
    name = model._meta.label_lower.replace(".", "_")
    rows = [str(pk) for pk in model.objects.values_list("pk", flat=True)]
    for confirmed in ({}, {"post": "yes"}):
        data = {"action": "delete_selected", "_selected_action": rows, **confirmed}
        answer = ask(world.browser(person), "POST", reverse(f"admin:{name}_changelist"), data)
        # For the administrator it is a list with an unknown action, which is shown again.
        expected = {ADMINISTRATOR: {200, 302}, NOBODY: {302}, DISABLED: {302}}.get(person, {403})
        assert answer.status in expected
        assert answer.written <= {AUDIT}
        request.node.user_properties.append((CELLS, 1))


@pytest.mark.parametrize("person", PERSONS)
@pytest.mark.parametrize("model", list(NEW))
def test_only_the_administrator_adds_anything(
    model: str, person: str, world: World, request: pytest.FixtureRequest
) -> None:
    cluster = world.things["cluster"][0]
    answer = ask(
        world.browser(person),
        "POST",
        reverse(f"admin:{model}_add"),
        {**NEW[model], **({"cluster": cluster} if "environment" in model else {})},
    )
    assert answer.status == MAY[person]
    assert (model in answer.written) == (person == ADMINISTRATOR)
    if person != ADMINISTRATOR:
        assert answer.written <= {AUDIT}
    request.node.user_properties.append((CELLS, 1))


@pytest.mark.parametrize("person", PERSONS)
def test_nobody_gives_themselves_another_role_or_environment(person: str, world: World) -> None:
    user = world.people[person]
    if user is None:
        return
    everything = [str(pk) for pk in Environment.objects.values_list("pk", flat=True)]
    data = {
        "role": "administrator",
        "is_superuser": "on",
        "is_active": "on",
        "environments": everything,
        "to": "on",
    }
    client = world.browser(person)
    for name in ("person", "set-rights", "switch"):
        address = reverse(f"accounts:{name}", args=[user.pk])
        answer = client.post(address, data, secure=True)
        assert answer.status_code in {MAY[person], 200}
    after = User.objects.get(pk=user.pk)
    assert (after.role, after.is_superuser) == (user.role, False)
    assert after.is_active == (person != DISABLED)
    before = {"marketing": 2, "qa": 2, "marketing-elsewhere": 2, "qa-elsewhere": 2}
    # Each with all verbs of the role.
    held = UserObjectPermission.objects.filter(user=after).values("object_pk").distinct()
    assert held.count() == before.get(person, 0)


def test_an_unknown_thing_of_the_set_up_is_refused_like_one_that_is_there(world: World) -> None:
    for model in ("environments_cluster", "environments_environment"):
        for pk in ("999999", "nothing"):
            address = reverse(f"admin:{model}_change", args=[pk])
            assert ask(world.browser("qa"), "GET", address).status == 403
            assert ask(world.browser("qa"), "POST", address).status == 403
