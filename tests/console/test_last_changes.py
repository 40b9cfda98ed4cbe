"""When documents changed last, by builds and generations that are kept; no engine is there."""

import pytest
from django.template.loader import render_to_string

from accounts.models import User
from environments.last_changes import NOT_YET, Change
from environments.models import Environment
from environments.ways import Key
from promotion import last_changes
from promotion.last_changes import Recorded, recorded
from promotion.models import Drift
from tests.console.shops import keep, put_live

pytestmark = pytest.mark.django_db
A, B = ("rule", "a"), ("rule", "b")
LATER = "Open the page again for more of it."


def known(environment: Environment, user: User) -> Recorded:
    found = recorded(environment, user)
    assert isinstance(found, Recorded)
    return found


def told(found: Recorded, key: Key) -> str:
    """Return what a page says of a document."""
    change = found.last([key]).get(key)
    context = {"change": change, "changes": found}
    return render_to_string("environments/last_change.html", context).strip()


def test_what_was_not_compared_yet_is_said_to_be_and_the_next_page_looks_further(
    shop: Environment, qa: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Began", "Went on", "Ended"):
        keep(shop, {"a": f"{name} late", "b": "Stays late"})
    monkeypatch.setattr(last_changes, "MOST_COMPARED", 0)
    found = known(shop, qa)
    assert found.last([A, B]) == {A: NOT_YET, B: NOT_YET}
    assert told(found, B) == "When it changed last was not compared yet."
    monkeypatch.setattr(last_changes, "MOST_COMPARED", 1)
    first = known(shop, qa).last([A, B])
    assert isinstance(first[A], Change)
    assert first[B] == NOT_YET
    # What was compared once is kept.
    found = known(shop, qa)
    assert "seen in" in told(found, A)
    assert told(found, B).startswith("Not changed since")
    assert "No change of it is recorded." in told(found, ("rule", "gone"))


def test_that_too_much_changed_hides_no_other_note(
    shop: Environment, qa: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    production = shop.promotes_to
    assert production is not None
    for name in ("One", "Two"):
        put_live(keep(shop, {"a": f"{name} hidden"}))
    Drift.objects.create(
        environment=production, marker="m", resources={}, counts={"changed": 2}, content="c"
    )
    monkeypatch.setattr(last_changes, "MOST_COMPARED", 0)
    found = known(production, qa)
    (by_hand,) = found.notes
    found.last([A])
    assert by_hand.startswith("Documents were edited by hand")
    assert found.notes[0] == by_hand
    assert len(found.notes) == 2
    assert found.notes[1].endswith(LATER)


def test_older_states_are_not_looked_at_and_what_is_said_is_true_of_the_others(
    shop: Environment, qa: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("One", "Two", "Three"):
        keep(shop, {"a": f"{name} cut", "b": "Stays cut"})
    monkeypatch.setattr(last_changes, "MOST_STATES", 2)
    found = known(shop, qa)
    assert told(found, B).startswith("Not changed since")
    assert ">build 2</a>" in told(found, B)
