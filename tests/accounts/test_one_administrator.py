"""One administrator: whatever two transactions do at once, the database keeps exactly one."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from accounts import handover, people
from accounts.audit import Actor, command_actor, system_actor
from accounts.handover import HandoverError
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user
from tests.accounts.conftest import give_factor
from tests.races.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long enough phrase 7"
SERVER = Actor(user=None, channel="cli", system_user="root")


def make(name: str, role: Role) -> User:
    user = create_user(system_actor(), username=name, role=role, password=PASSWORD)
    give_factor(user)
    return user


def administrators() -> list[str]:
    held = User.objects.filter(role="administrator", is_active=True)
    return list(held.values_list("username", flat=True))


def tried(act: Callable[[], Any]) -> Callable[[], Any]:
    """Return an act that gives back what refused it."""

    def run() -> Any:
        try:
            return act()
        except (HandoverError, people.PeopleError, IntegrityError, OperationalError) as error:
            return error

    return run


def test_of_two_first_administrators_one_is_made() -> None:
    answers = at_once(*(tried(partial(_create, name)) for name in ("ada", "eve")))
    assert len(administrators()) == 1
    assert sum(isinstance(one, User) for one in answers) == 1


def _create(name: str) -> User | Exception:
    from django.core.exceptions import ValidationError

    try:
        return create_user(
            system_actor(), username=name, role=Role.ADMINISTRATOR, password=PASSWORD
        )
    except ValidationError as error:
        return error


def test_the_database_refuses_a_second_one_between_two_open_transactions() -> None:
    """Both looked before either wrote: what the service checks is past, the constraint is not."""
    make("ada", Role.ADMINISTRATOR)
    meet = threading.Barrier(2)

    def promote(name: str) -> None:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                # SQLite's writers wait for each other at the beginning.
                meet.wait(30)
            User.objects.filter(username=name).update(role="administrator")

    for name in ("bob", "cid"):
        make(name, Role.QA)
    User.objects.filter(username="ada").update(is_active=False)
    answers = at_once(*(tried(partial(promote, name)) for name in ("bob", "cid")))
    assert len(administrators()) == 1
    assert sum(isinstance(one, IntegrityError) for one in answers) == 1


@pytest.mark.parametrize("against", ["accept", "withdraw", "recover", "switch off"])
def test_of_an_acceptance_and_something_else_one_wins(against: str) -> None:
    ada, bob = make("ada", Role.ADMINISTRATOR), make("bob", Role.QA)
    make("cid", Role.QA)
    made = handover.offer(command_actor(ada), bob, afterwards=Role.QA)
    others: dict[str, Callable[[], Any]] = {
        "accept": lambda: handover.accept(command_actor(bob), made),
        "withdraw": lambda: handover.end(command_actor(ada), made),
        "recover": lambda: handover.recover(
            SERVER, User.objects.get(username="cid"), afterwards=None, reason="Gone"
        ),
        "switch off": lambda: people.switch_off(command_actor(ada), User.objects.get(pk=bob.pk)),
    }
    at_once(
        tried(lambda: handover.accept(command_actor(User.objects.get(pk=bob.pk)), made)),
        tried(others[against]),
    )
    assert len(administrators()) == 1
    made.refresh_from_db()
    accepted = made.status == "accepted"
    if against in ("accept", "withdraw"):
        assert administrators() == (["bob"] if accepted else ["ada"])
    if against == "switch off" and not User.objects.get(username="bob").is_active:
        assert administrators() == ["ada"]


def test_who_accepted_meanwhile_is_not_switched_off_by_a_page_that_was_older() -> None:
    ada, bob = make("ada", Role.ADMINISTRATOR), make("bob", Role.QA)
    made = handover.offer(command_actor(ada), bob, afterwards=Role.QA)
    seen_before = User.objects.get(pk=bob.pk)
    handover.accept(command_actor(bob), made)
    with pytest.raises(people.PeopleError, match="keeps one active administrator"):
        people.switch_off(SERVER, seen_before)
    with pytest.raises(people.PeopleError, match="handed over"):
        people.change_role(SERVER, seen_before, Role.MARKETING)
    assert administrators() == ["bob"]


def test_two_recoveries_at_once_leave_one() -> None:
    make("ada", Role.ADMINISTRATOR)
    users = [make(name, Role.QA) for name in ("bob", "cid")]
    at_once(
        *(
            tried(partial(handover.recover, SERVER, user, afterwards=None, reason="x"))
            for user in users
        )
    )
    assert len(administrators()) == 1
    assert administrators() != ["ada"]
