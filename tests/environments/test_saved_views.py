"""Views of dashboards that people save, share, begin with and remove."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from accounts.audit import Actor, command_actor, system_actor
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.services import create_user, grant, revoke
from environments.models import Cluster, Environment, SavedView, Share, Summary
from environments.saved.services import (
    MOST_VIEWS,
    NameTakenError,
    SavedError,
    change_view,
    pin_view,
    pinned_page,
    remove_view,
    save_view,
    unpin_view,
)
from tests.factories import People, enter, make_people

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
QUERY = "range=30d&source=web-shop"


@pytest.fixture
def shop() -> Environment:
    """An environment whose engine answers nothing: no page of views asks it."""
    return Environment.objects.create(
        name="Shop",
        slug="shop",
        cluster=Cluster.objects.create(name="C", url="http://127.0.0.1:9"),
        version="0.8.1",
        tenant="shop",
        kind="production",
    )


@pytest.fixture
def people(shop: Environment) -> People:
    return make_people(shop)


@pytest.fixture
def colleague(shop: Environment) -> Actor:
    """Another person of marketing."""
    return colleague_of(shop, "colleague")


def colleague_of(shop: Environment, name: str) -> Actor:
    user = create_user(
        system_actor(), username=name, role=Role.MARKETING, password="a long enough phrase 7"
    )
    grant(system_actor(), user, shop)
    return command_actor(user)


def user_of(actor: Actor) -> User:
    assert actor.user is not None
    return actor.user


def names(actor: Actor) -> list[str]:
    return [one.name for one in SavedView.objects.visible_to(user_of(actor))]


def page(client: Client, where: str) -> str:
    answer = client.get(where, secure=True)
    assert answer.status_code == 200, where
    return str(answer.content.decode())


def send(client: Client, route: str, args: list[Any], **data: Any) -> Any:
    return client.post(reverse(f"environments:{route}", args=args), data, secure=True)


def test_marketing_saves_what_it_looks_at_and_finds_it_by_name(
    shop: Environment, people: People
) -> None:
    client = enter(people.marketing.user)
    dashboard = reverse("environments:dashboard", args=[shop.slug])
    assert "Save this view as" in page(client, f"{dashboard}?{QUERY}")
    # As an address may have it: in another order, and with something that is no filter.
    sent = "source=web-shop&range=30d&whole"
    answer = send(client, "save-view", [shop.slug], name="Web  shop", query=sent, roles=["qa"])
    assert answer.headers["Location"] == f"{dashboard}?{QUERY}"
    text = page(client, answer.headers["Location"])
    assert "View: <strong>Web shop</strong>" in text
    assert "View: <strong>" not in page(client, f"{dashboard}?range=7d")
    managed = page(client, reverse("environments:views", args=[shop.slug]))
    assert "30 days; source: web-shop" in managed
    # QA has it by the share, and whose it is.
    theirs = page(enter(people.qa.user), f"{dashboard}?{QUERY}")
    assert "View: <strong>Web shop</strong>, by marketing" in theirs
    event = AuditEvent.objects.get(action="view.saved")
    assert event.detail == {"query": QUERY, "roles": ["qa"]}
    assert event.environment_id == shop.pk


def test_a_view_is_seen_by_its_owner_and_the_roles_it_is_shared_with_where_they_may_look(
    shop: Environment, people: People, colleague: Actor
) -> None:
    view = save_view(people.marketing, shop, "Mine", QUERY)
    assert [names(who) for who in (people.marketing, colleague, people.qa)] == [["Mine"], [], []]
    change_view(people.marketing, view, "Ours", [Role.MARKETING])
    assert [names(who) for who in (colleague, people.qa, people.admin)] == [["Ours"], [], []]
    revoke(system_actor(), user_of(colleague), shop)
    assert names(colleague) == []
    # The owner, too, loses what is of an environment that is not theirs to see any more.
    revoke(system_actor(), user_of(people.marketing), shop)
    fresh = command_actor(User.objects.get(pk=user_of(people.marketing).pk))
    assert names(fresh) == []
    with pytest.raises(NotAllowedError):
        change_view(fresh, view, "Again", [])


def test_a_name_that_is_taken_is_replaced_only_where_that_is_asked_for(
    shop: Environment, people: People
) -> None:
    first = save_view(people.marketing, shop, "Shop", QUERY)
    pin_view(people.marketing, first)
    client = enter(people.marketing.user)
    answer = send(client, "save-view", [shop.slug], name="shop", query="range=90d")
    assert answer.status_code == 400
    assert "Replace “Shop”" in answer.content.decode()
    with pytest.raises(NameTakenError):
        save_view(people.marketing, shop, "SHOP", "range=90d")
    assert SavedView.objects.get().query == QUERY
    answer = send(client, "save-view", [shop.slug], name="shop", query="range=90d", replace="on")
    assert answer.status_code == 302
    assert SavedView.objects.get().query == "range=90d"
    # Whoever began with it still does.
    assert pinned_page(user_of(people.marketing)).endswith("?range=90d")
    other = save_view(people.marketing, shop, "Other", QUERY)
    with pytest.raises(SavedError):
        change_view(people.marketing, other, "Shop", [])


def test_a_view_that_is_replaced_stays_shared(shop: Environment, people: People) -> None:
    save_view(people.marketing, shop, "Shop", QUERY, [Role.QA])
    client = enter(people.marketing.user)
    answer = send(client, "save-view", [shop.slug], name="Shop", query="range=90d")
    assert "“Shop” is shared with QA, and stays so" in answer.content.decode()
    data = {"name": "Shop", "query": "range=90d", "replace": "on"}
    assert send(client, "save-view", [shop.slug], **data).status_code == 302
    assert SavedView.objects.get().roles == ["qa"]
    event = AuditEvent.objects.filter(action="view.saved").latest("pk")
    assert event.detail == {
        "before": {"query": QUERY, "roles": ["qa"]},
        "after": {"query": "range=90d", "roles": ["qa"]},
    }
    assert send(client, "save-view", [shop.slug], roles=["marketing"], **data).status_code == 302
    assert SavedView.objects.get().roles == ["marketing", "qa"]
    # Taken away where that is asked for.
    view = SavedView.objects.get()
    assert send(client, "change-view", [shop.slug, view.pk], name="Shop").status_code == 302
    assert SavedView.objects.get().roles == []


def test_only_its_owner_changes_a_view_and_the_administrator_tidies_up_after_who_left(
    shop: Environment, people: People, colleague: Actor
) -> None:
    view = save_view(colleague, shop, "Ours", QUERY, [Role.MARKETING])
    own = save_view(colleague, shop, "Mine", QUERY)
    where = [shop.slug, view.pk]
    client, admin = enter(people.marketing.user), enter(people.admin.user)
    for route in ("change-view", "remove-view"):
        assert send(client, route, where, name="Stolen").status_code == 403
        # It is not shared with this role: it is not there.
        assert send(admin, route, where, name="Stolen").status_code == 404
    assert AuditEvent.objects.filter(outcome="refused", action__startswith="view.").count() == 2
    User.objects.filter(pk=user_of(colleague).pk).update(is_active=False)
    # It stays for the others.
    assert names(people.marketing) == ["Ours"]
    assert send(client, "remove-view", where).status_code == 403
    assert "Left over" in page(admin, reverse("environments:views", args=[shop.slug]))
    assert send(admin, "remove-view", [shop.slug, own.pk]).status_code == 404
    assert "whose account is switched off" in page(
        admin, reverse("environments:remove-view", args=where)
    )
    assert send(admin, "remove-view", where).status_code == 302
    assert not SavedView.objects.filter(pk=view.pk).exists()


def test_the_administrator_tidies_up_after_who_may_not_look_any_more(
    shop: Environment, people: People, colleague: Actor
) -> None:
    view = save_view(colleague, shop, "Ours", QUERY, [Role.MARKETING])
    where, admin = [shop.slug, view.pk], enter(people.admin.user)
    assert "Left over" not in page(admin, reverse("environments:views", args=[shop.slug]))
    revoke(system_actor(), user_of(colleague), shop)
    assert names(people.marketing) == ["Ours"]
    assert send(enter(people.marketing.user), "remove-view", where).status_code == 403
    text = page(admin, reverse("environments:views", args=[shop.slug]))
    assert "Left over" in text
    assert "By colleague, who may not see this dashboard any more" in text
    assert "who may not see this dashboard any more" in page(
        admin, reverse("environments:remove-view", args=where)
    )
    assert send(admin, "remove-view", where).status_code == 302
    assert not SavedView.objects.exists()


def test_views_that_their_owner_may_not_see_any_more_leave_room_for_others(
    shop: Environment, people: People, colleague: Actor
) -> None:
    other = Environment.objects.create(
        name="Other",
        slug="other",
        cluster=shop.cluster,
        version="0.8.1",
        tenant="other",
        kind="staging",
    )
    SavedView.objects.bulk_create(
        SavedView(environment=other, owner=colleague.user, name=f"V{n}", query=QUERY)
        for n in range(MOST_VIEWS)
    )
    assert save_view(colleague, shop, "One", QUERY).name == "One"


def test_a_person_begins_with_the_view_that_they_pinned_while_they_may_see_it(
    shop: Environment, people: People, colleague: Actor
) -> None:
    user = user_of(colleague)
    view = save_view(people.marketing, shop, "Ours", QUERY, [Role.MARKETING])
    assert pinned_page(user) == ""
    assert send(enter(user), "pin-view", [shop.slug, view.pk]).status_code == 302
    assert pinned_page(user) == f"{reverse('environments:dashboard', args=['shop'])}?{QUERY}"
    change_view(people.marketing, view, "Ours", [Role.QA])
    assert pinned_page(user) == ""
    text = page(enter(user), reverse("environments:views", args=[shop.slug]))
    assert "cannot be shown to you any more" in text
    assert send(enter(user), "pin-view", [shop.slug, view.pk]).status_code == 404
    change_view(people.marketing, view, "Ours", [Role.MARKETING])
    revoke(system_actor(), user, shop)
    assert pinned_page(User.objects.get(pk=user.pk)) == ""
    pin_view(people.marketing, view)
    unpin_view(people.marketing, shop)
    assert pinned_page(user_of(people.marketing)) == ""
    remove_view(people.marketing, view)
    done = AuditEvent.objects.filter(outcome="done", action__startswith="view.")
    assert set(done.values_list("action", flat=True)) == {
        "view.saved",
        "view.changed",
        "view.pinned",
        "view.unpinned",
        "view.removed",
    }


def test_a_view_that_is_removed_is_told_to_whoever_began_with_it_or_had_mails_of_it(
    shop: Environment, people: People, colleague: Actor
) -> None:
    view = save_view(people.marketing, shop, "Ours", QUERY, [Role.MARKETING, Role.QA])
    for actor in (people.marketing, colleague):
        pin_view(actor, view)
    for actor in (colleague, people.qa):
        Summary.objects.create(user=user_of(actor), environment=shop, view=view, site="https://x")
    remove_view(people.marketing, view)
    assert pinned_page(user_of(colleague)) == ""
    where = reverse("environments:views", args=[shop.slug])
    client = enter(user_of(colleague))
    assert "cannot be shown to you any more" in page(client, where)
    # Who removed it was told before.
    assert "cannot be shown to you any more" not in page(enter(people.marketing.user), where)
    assert not Summary.objects.exists()
    dropped = AuditEvent.objects.filter(action="summary.dropped")
    assert sorted(one.detail["of"] for one in dropped) == ["colleague", "qa"]
    assert {one.reason for one in dropped} == {"marketing removed View “Ours” of Shop."}
    assert send(client, "unpin-view", [shop.slug]).status_code == 302
    assert "cannot be shown to you any more" not in page(client, where)
    assert AuditEvent.objects.get(action="view.unpinned").object_label == "Shop"


def test_removing_an_environment_names_the_views_that_go_with_it(
    shop: Environment, people: People, colleague: Actor
) -> None:
    view = save_view(people.marketing, shop, "Ours", QUERY, [Role.MARKETING])
    save_view(people.marketing, shop, "Mine", QUERY)
    pin_view(colleague, view)
    Summary.objects.create(user=user_of(people.qa), environment=shop, site="https://x")
    client = enter(people.admin.user)
    where = reverse("environments:remove-environment", args=[shop.slug])
    text = page(client, where)
    assert "Shared views of its dashboard go with it: “Ours” of marketing." in text
    assert "Views that people keep to themselves go with it: 1." in text
    assert "Weekly summaries of it end: 1." in text
    assert "Mine" not in text
    assert client.post(where, {"sure": "on"}, secure=True).status_code == 302
    detail = AuditEvent.objects.get(action="environment.removed").detail
    assert (detail["views"], detail["summaries_of"]) == (["Mine", "Ours"], ["qa"])
    assert pinned_page(User.objects.get(pk=user_of(colleague).pk)) == ""


def test_whoever_looks_as_somebody_else_changes_none_of_their_views(
    shop: Environment, people: People
) -> None:
    view = save_view(people.marketing, shop, "Mine", QUERY)
    viewing = replace(people.marketing, viewer=people.admin.user)
    for act in (
        lambda: save_view(viewing, shop, "Theirs", QUERY),
        lambda: change_view(viewing, view, "Theirs", []),
        lambda: remove_view(viewing, view),
        lambda: pin_view(viewing, view),
        lambda: unpin_view(viewing, shop),
    ):
        with pytest.raises(NotAllowedError):
            act()
    assert [one.name for one in SavedView.objects.all()] == ["Mine"]


def test_what_cannot_be_kept_is_refused_in_words(shop: Environment, people: People) -> None:
    many = urlencode([("type", f"{number:0>190}") for number in range(20)])
    with pytest.raises(SavedError, match="a view keeps 2,000"):
        save_view(people.qa, shop, "Many", many)
    for name in ("", " ", "a\0b", "x" * 81):
        with pytest.raises(SavedError, match="needs a name"):
            save_view(people.qa, shop, name, QUERY)
    answer = send(enter(people.qa.user), "save-view", [shop.slug], name="", query=QUERY)
    assert answer.status_code == 400
    # What was chosen stays on the page.
    assert "range=30d&amp;source=web-shop" in answer.content.decode()
    SavedView.objects.bulk_create(
        SavedView(environment=shop, owner=people.qa.user, name=f"V{n}", query=QUERY)
        for n in range(MOST_VIEWS)
    )
    with pytest.raises(SavedError, match="You have 50 views"):
        save_view(people.qa, shop, "One more", QUERY)
    save_view(people.qa, shop, "V0", "range=90d", replace=True)
    assert Share.objects.count() == 0
