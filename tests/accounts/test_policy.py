"""Who may do what: the table of roles, asked through the policy."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.audit import record, system_actor
from accounts.models import AuditEvent, AuditImmutableError, User
from accounts.policy import environments_with, may, may_anywhere
from accounts.roles import ROLE_VERBS, Role, Verb
from accounts.services import create_user, grant, revoke, sync_roles
from environments.models import Cluster, Environment

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough one 81"


def person(role: Role, name: str | None = None) -> User:
    return create_user(system_actor(), username=name or role.value, role=role, password=PASSWORD)


@pytest.fixture
def shop() -> Environment:
    cluster = Cluster.objects.create(name="One", url="http://127.0.0.1:9")
    return Environment.objects.create(
        name="Shop", slug="shop", cluster=cluster, version="0.8.1", tenant="acme", kind="production"
    )


@pytest.fixture
def other(shop: Environment) -> Environment:
    return Environment.objects.create(
        name="Other",
        slug="other",
        cluster=shop.cluster,
        version="0.8.1",
        tenant="other",
        kind="production",
    )


@pytest.mark.parametrize("role", [Role.QA, Role.MARKETING])
@pytest.mark.parametrize("verb", list(Verb))
def test_a_granted_role_may_do_just_what_the_table_says(
    role: Role, verb: Verb, shop: Environment, other: Environment
) -> None:
    user = person(role)
    assert not may(user, verb, shop)
    grant(system_actor(), user, shop)
    user = User.objects.get(pk=user.pk)
    assert bool(may(user, verb, shop)) is (verb in ROLE_VERBS[role])
    assert not may(user, verb, other)
    assert not may(user, verb)


@pytest.mark.parametrize("verb", list(Verb))
def test_the_administrator_may_do_everything_but_review(verb: Verb, shop: Environment) -> None:
    admin = person(Role.ADMINISTRATOR)
    assert bool(may(admin, verb, shop)) is (verb is not Verb.REVIEW)
    assert may_anywhere(admin, verb) is (verb is not Verb.REVIEW)


def test_a_refusal_says_who_may(shop: Environment) -> None:
    verdict = may(person(Role.MARKETING), Verb.CAPTURE, shop)
    assert "may not capture a build in Shop" in verdict.reason
    assert "administrator or qa" in verdict.reason


def test_a_disabled_account_may_nothing(shop: Environment) -> None:
    user = person(Role.QA)
    grant(system_actor(), user, shop)
    user.is_active = False
    user.save()
    assert not may(User.objects.get(pk=user.pk), Verb.CAPTURE, shop)
    assert environments_with(User.objects.get(pk=user.pk), Verb.CAPTURE) == frozenset()


def test_what_is_revoked_is_gone(shop: Environment) -> None:
    user = person(Role.QA)
    grant(system_actor(), user, shop)
    revoke(system_actor(), user, shop)
    assert not may(User.objects.get(pk=user.pk), Verb.CAPTURE, shop)


def test_a_changed_role_takes_its_rights_at_the_next_sync(shop: Environment) -> None:
    user = person(Role.QA)
    grant(system_actor(), user, shop)
    User.objects.filter(pk=user.pk).update(role=Role.MARKETING.value)
    sync_roles()
    user = User.objects.get(pk=user.pk)
    assert not may(user, Verb.CAPTURE, shop)
    assert may(user, Verb.VIEW_DASHBOARD, shop)


def test_there_is_one_active_administrator() -> None:
    person(Role.ADMINISTRATOR)
    with pytest.raises(ValidationError, match="active administrator already"):
        person(Role.ADMINISTRATOR, "second")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username="third", role=Role.ADMINISTRATOR.value)


def test_nobody_becomes_a_superuser() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username="root", role=Role.QA.value, is_superuser=True)
    with pytest.raises(ValueError, match="no superusers"):
        User.objects.create_superuser("root")


def test_an_audit_event_is_neither_changed_nor_deleted(shop: Environment) -> None:
    event = record(system_actor(), "test", shop)
    assert (event.object_label, event.environment_id) == ("Shop", shop.pk)
    with pytest.raises(AuditImmutableError):
        event.save()
    with pytest.raises(AuditImmutableError):
        event.delete()
    with pytest.raises(AuditImmutableError):
        AuditEvent.objects.filter(pk=event.pk).update(action="other")
    with pytest.raises(AuditImmutableError):
        AuditEvent.objects.all().delete()
