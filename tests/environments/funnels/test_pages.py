"""Funnels as people make them: who may, what is refused in words, and what the pages show."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.audit import Actor
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from environments.dashboards.chosen import Chosen
from environments.dashboards.kept import tiles_of
from environments.dashboards.ranges import last_days
from environments.dashboards.tiles import State
from environments.funnels.figures import funnel_figures
from environments.funnels.offers import event_types
from environments.funnels.services import (
    MOST_FUNNELS,
    FunnelError,
    change_funnel,
    make_funnel,
    remove_funnel,
)
from environments.models import Cluster, Environment, Funnel, FunnelDay
from tests.environments.funnels.conftest import Shop, shape_of
from tests.factories import People, enter, make_index, make_people

pytestmark = pytest.mark.django_db


@pytest.fixture
def environment() -> Environment:
    cluster = Cluster.objects.create(name="Test", url="http://127.0.0.1:9")
    return Environment.objects.create(
        name="Shop", slug="shop", cluster=cluster, version="0.8.1", tenant="acme", kind="production"
    )


@pytest.fixture
def people(environment: Environment) -> People:
    return make_people(environment)


def where(name: str, *args: object) -> str:
    return reverse(f"environments:{name}", args=["shop", *args])


def form(*steps: str, name: str = "Purchase", **more: Any) -> dict[str, Any]:
    fields = {f"step_{number}": step for number, step in enumerate(steps, 1)}
    return {"name": name, **fields, **more}


def page(actor: Actor, address: str, data: dict[str, Any] | None = None) -> tuple[int, str]:
    client = enter(actor.user)
    if data is None:
        answer: Any = client.get(address, secure=True)
    else:
        answer = client.post(address, data, secure=True, follow=True)
    return answer.status_code, answer.content.decode()


def keep(funnel: Funnel, *counts: list[int], **more: Any) -> None:
    for back, count in enumerate(counts):
        day = timezone.localdate() - timedelta(days=back)
        now = timezone.now() - timedelta(minutes=back)
        FunnelDay.objects.create(funnel=funnel, day=day, counts=count, counted_at=now, **more)


@pytest.mark.usefixtures("plain_static_files")
def test_qa_makes_changes_and_removes_a_funnel_by_forms(people: People) -> None:
    status, text = page(people.qa, where("funnel-new"), form("view", "", " buy ", "", "", "back"))
    assert (status, "Funnel Purchase was made" in text) == (200, True)
    funnel = Funnel.objects.get()
    assert (funnel.steps, funnel.created_by) == (["view", "buy", "back"], people.qa.user)
    keep(funnel, [9, 8, 7])
    # A name alone changes nothing that was counted.
    page(people.qa, where("funnel-change", funnel.pk), form(*funnel.steps, name="Sale", version=1))
    assert (Funnel.objects.get().name, funnel.days.count()) == ("Sale", 1)
    page(people.qa, where("funnel-change", funnel.pk), form("buy", "view", name="Sale", version=2))
    assert (Funnel.objects.get().steps, funnel.days.count()) == (["buy", "view"], 0)
    status, text = page(
        people.qa, where("funnel-change", funnel.pk), form("x", "y", name="Sale", version=2)
    )
    assert (status, "was changed meanwhile. Nothing was saved." in text) == (400, True)
    page(people.qa, where("funnel-remove", funnel.pk), {})
    assert not Funnel.objects.exists()
    told = AuditEvent.objects.filter(action__startswith="funnel.").order_by("number")
    assert [(one.action, one.outcome, one.object_label) for one in told] == [
        ("funnel.added", "done", "Funnel Purchase"),
        ("funnel.changed", "done", "Funnel Sale"),
        ("funnel.changed", "done", "Funnel Sale"),
        ("funnel.changed", "refused", "Funnel Sale"),
        ("funnel.removed", "done", "Funnel Sale"),
    ]
    assert [one.detail.get("steps") for one in told][2] == [
        ["view", "buy", "back"],
        ["buy", "view"],
    ]


def test_marketing_may_look_and_change_nothing(people: People, environment: Environment) -> None:
    funnel = make_funnel(people.admin, environment, "Purchase", ["a", "b"])
    acts: list[Any] = [
        lambda: make_funnel(people.marketing, environment, "Other", ["a", "b"]),
        lambda: change_funnel(people.marketing, funnel, "Other", ["a", "b"], version=1),
        lambda: remove_funnel(people.marketing, funnel),
    ]
    for act in acts:
        with pytest.raises(NotAllowedError):
            act()
    assert [one.name for one in Funnel.objects.all()] == ["Purchase"]
    assert AuditEvent.objects.filter(outcome="refused").count() == len(acts)


@pytest.mark.parametrize(
    ("name", "steps", "words"),
    [
        ("Shop", ["a"], "A funnel has 2 to 6 steps, and this one has 1."),
        ("Shop", ["a"] * 7, "A funnel has 2 to 6 steps, and this one has 7."),
        ("Shop", ["a", "b" * 121], "Step 2 is no event type of 1 to 120 characters."),
        ("Shop", ["a", "b\u202ec"], "holds characters that nobody sees."),
        ("Shop", ["a\0", "b"], "holds characters that nobody sees."),
        ("", ["a", "b"], "Give the funnel a name."),
        ("There", ["a", "b"], "Another funnel of Shop is called “There”."),
    ],
)
def test_what_is_no_funnel_is_refused_in_words(
    people: People, environment: Environment, name: str, steps: list[str], words: str
) -> None:
    make_funnel(people.qa, environment, "There", ["a", "b"])
    with pytest.raises(FunnelError) as met:
        make_funnel(people.qa, environment, name, steps)
    assert words in str(met.value)
    assert "Nothing was saved." in str(met.value)
    assert Funnel.objects.count() == 1


def test_an_environment_has_ten_funnels_at_most(people: People, environment: Environment) -> None:
    for number in range(MOST_FUNNELS):
        make_funnel(people.qa, environment, f"Funnel {number}", ["a", "b"])
    with pytest.raises(FunnelError, match="has 10 funnels, and has no more at a time"):
        make_funnel(people.qa, environment, "One more", ["a", "b"])


def test_small_groups_and_their_shares_are_withheld(
    people: People, environment: Environment
) -> None:
    funnel = make_funnel(people.qa, environment, "Purchase", ["a", "b", "c", "d"])
    keep(funnel, [100, 30, 2, 0], [100, 20, 2, 0])
    today = timezone.localdate()
    [found] = funnel_figures(environment, today - timedelta(days=9), today + timedelta(days=5))
    assert [(one.visitors, one.small) for one in found.steps] == [
        (200, False),
        (50, False),
        (None, True),
        (0, False),
    ]
    assert [one.share_of_first for one in found.steps] == [100, 25, None, 0]
    assert [one.share_of_before for one in found.steps] == [None, 25, None, None]
    # Days to come are not asked for.
    assert (found.days_counted, found.days_asked) == (2, 10)
    assert found.oldest is not None
    assert found.newest is not None
    assert found.oldest < found.newest


@pytest.mark.usefixtures("plain_static_files")
def test_the_page_says_how_far_it_is_counted_and_what_is_wrong(
    people: People, environment: Environment
) -> None:
    assert "No funnel is made for Shop yet" in page(people.marketing, where("funnels"))[1]
    funnel = make_funnel(people.qa, environment, "Purchase", ["view", "buy"])
    keep(funnel, [1000, 3], partial="Too many events.")
    _, text = page(people.marketing, where("funnels"))
    for words in ("1 of 30 days counted, 1 of them in part", "1,000", "under 5", "Too many events"):
        assert words in text
    assert "who comes on two days counts twice" in text
    assert where("funnel-new") not in text
    assert where("funnel-change", funnel.pk) in page(people.qa, where("funnels"))[1]


def test_a_dashboards_funnel_is_too_low_where_a_day_was_and_not_where_days_are_to_come(
    people: People, environment: Environment
) -> None:
    funnel = make_funnel(people.qa, environment, "Purchase", ["view", "buy"])
    week = last_days(7, timezone.now(), timezone.get_default_timezone())
    keep(funnel, [1000, 30])
    tile = tiles_of(environment, Chosen(), week, None)[0]
    assert tile.state is State.WHOLE
    assert any(note.startswith("Of 7 days 1 are counted") for note in tile.notes)
    FunnelDay.objects.update(partial="Too many events.")
    assert tiles_of(environment, Chosen(), week, None)[0].state is State.PARTIAL


@pytest.mark.usefixtures("plain_static_files")
def test_the_form_offers_the_types_that_are_kept_and_those_that_came(shop: Shop) -> None:
    naming, now = shop.environment.naming, timezone.now()
    shop.send([("p", now, "came"), ("p", now, "kept"), ("p", now - timedelta(days=40), "long-ago")])
    name = naming.concrete("event-management")
    shape = shape_of(shop.engine, "tracardi-event-management")
    make_index(shop.engine, name, {**shape, "aliases": {naming.alias("event-management"): {}}})
    body = {"id": "kept", "name": "Kept", "event_type": "kept"}
    path = f"/{name}/_doc/kept"
    shop.engine.request("PUT", path, params={"refresh": "true"}, body=body)
    assert event_types(shop.environment) == ["came", "kept"]
    assert '<option value="came">' in page(shop.people.qa, where("funnel-new"))[1]
    # Without an answer the form comes all the same.
    Cluster.objects.update(url="http://127.0.0.1:9")
    status, text = page(shop.people.qa, where("funnel-new"))
    assert (status, "No event types are offered" in text) == (200, True)
