"""What the administrator does with people: invites, changes, switches off and on, grants."""

from collections.abc import Callable, Collection
from typing import Any, Final

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import models, transaction
from django.utils import timezone
from guardian.models import UserObjectPermission

from accounts.adapters import comes_by_single_sign_on
from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.models import AuditEvent, User
from accounts.policy import APP_LABEL, MODEL
from accounts.roles import GIVEN, ROLE_VERBS, VERB_WORDS, Role, Verb
from accounts.services import grant, revoke, sync_user
from accounts.sessions import end_sessions

HAND_OVER: Final = "The administrator's role is handed over, on a page of its own."


class PeopleError(Exception):
    """A rule said no; nothing was changed. `str()` is fit for people."""


def environments() -> Any:
    """Return all environments, which belong to an app above, as a query."""
    return apps.get_model(APP_LABEL, MODEL)._default_manager.order_by("name")


def granted(user: User) -> set[int]:
    """Return the ids of the environments that a person was granted."""
    held = UserObjectPermission.objects.filter(user=user).values_list("object_pk", flat=True)
    return {int(pk) for pk in held}


def rights(role: Role) -> list[tuple[str, bool]]:
    """Return what a role may do where it is granted, in words, and what it may not."""
    return [(words, verb in ROLE_VERBS[role]) for verb, words in VERB_WORDS.items()]


def invite(
    actor: Actor,
    *,
    username: str,
    role: Role,
    email: str,
    environments: Collection[models.Model],
    **names: str,
) -> User:
    """Make an account without a password, grant it environments, and return it.

    What it needs to set its password is `mail.password_path`, sent or handed over afterwards.

    Raises:
        NotAllowedError: the actor may not.
        PeopleError: the administrator's role is not given so.
        ValidationError: the name is taken, or something else of the account is no good.
    """
    action = "account.invited"
    authorise(actor, Verb.MANAGE, action, None, confirmed=True)
    if role not in GIVEN:
        raise refused(actor, action, None, HAND_OVER)
    with transaction.atomic():
        user = User(
            username=username, role=role.value, email=email, invited_at=timezone.now(), **names
        )
        user.set_unusable_password()
        user.full_clean()
        user.save()
        record(actor, action, user, detail={"role": role.value})
        for environment in environments:
            grant(actor, user, environment)
    return user


def renew_link(actor: Actor, user: User) -> None:
    """Let a person set a password by another link, invited or with one that is forgotten.

    Links from before end, and all sessions.

    Raises:
        ConfirmationNeededError: whoever has such a link has the account.
        PeopleError: the account is switched off, the administrator's, or comes by single sign-on.
    """
    action = "account.link-renewed"
    authorise(actor, Verb.MANAGE, action, user, confirmed=True)
    problem = ""
    if user.is_administrator:
        problem = "The administrator's own access is recovered on the server, by `handover`."
    elif not user.is_active:
        problem = f"{user.label}'s account is switched off."
    elif comes_by_single_sign_on(user):
        problem = f"{user.label} comes by single sign-on, which keeps the password."
    if problem:
        raise refused(actor, action, user, problem)
    with transaction.atomic():
        invited = user.is_invited
        if invited:
            user.invited_at = timezone.now()
            user.save(update_fields=["invited_at"])
        end_sessions(user)
        record(actor, action, user, detail={"invited": invited})


def change_names(actor: Actor, user: User, *, first_name: str, last_name: str, email: str) -> None:
    """Change what a person is called, and the address of their mail.

    Raises:
        ValidationError: something of it is no good.
    """
    action = "account.changed"
    authorise(actor, Verb.MANAGE, action, user, confirmed=True)
    wanted = {"first_name": first_name, "last_name": last_name, "email": email}
    fields = [name for name, value in wanted.items() if getattr(user, name) != value]
    if not fields:
        return
    for name in fields:
        setattr(user, name, wanted[name])
    user.clean_fields(exclude={"password"})
    with transaction.atomic():
        user.save(update_fields=fields)
        record(actor, action, user, detail={"fields": fields})


def set_environments(actor: Actor, user: User, wanted: Collection[models.Model]) -> None:
    """Grant and take back, until a person has just these environments.

    Raises:
        PeopleError: it is the administrator, who sees all.
    """
    action = "account.granted"
    authorise(actor, Verb.MANAGE, action, user, confirmed=True)
    if user.is_administrator:
        raise refused(actor, action, user, "The administrator sees all environments.")
    with transaction.atomic():
        before, keys = granted(user), {one.pk for one in wanted}
        for one in wanted:
            if one.pk not in before:
                grant(actor, user, one)
        for one in environments().filter(pk__in=before - keys):
            revoke(actor, user, one)


def change_role(actor: Actor, user: User, role: Role, *, reason: str = "") -> None:
    """Give a person another role, with the same environments, and end all of their sessions.

    Raises:
        PeopleError: the administrator's role is handed over instead.
    """
    action = "account.role-changed"
    authorise(actor, Verb.MANAGE, action, user, confirmed=True)
    if role not in GIVEN:
        raise refused(actor, action, user, HAND_OVER)

    def act(held: User) -> None:
        before, held.role = held.role, role.value
        held.save(update_fields=["role"])
        sync_user(held)
        # Who was invited has no session, and keeps the link.
        ended = 0 if held.is_invited else end_sessions(held)
        detail = {"from": before, "to": role.value, "sessions": ended}
        record(actor, action, held, reason=reason, detail=detail)

    _of_no_administrator(actor, action, user, HAND_OVER, act)


def switch_off(actor: Actor, user: User, *, reason: str = "") -> None:
    """Let a person sign in no more, and end all of their sessions. What they did stays.

    Raises:
        PeopleError: it is the administrator: the console keeps one.
    """
    action = "account.disabled"
    authorise(actor, Verb.MANAGE, action, user)

    def act(held: User) -> None:
        held.is_active = False
        held.save(update_fields=["is_active"])
        record(actor, action, held, reason=reason, detail={"sessions": end_sessions(held)})

    words = "The console keeps one active administrator. Hand the administration over first."
    _of_no_administrator(actor, action, user, words, act)


def switch_on(actor: Actor, user: User) -> None:
    """Let a person sign in again, with the role and the environments of before.

    Raises:
        PeopleError: it was an administrator, and there is another one.
    """
    action = "account.enabled"
    authorise(actor, Verb.MANAGE, action, user, confirmed=True)

    def act(held: User) -> None:
        held.is_active = True
        held.save(update_fields=["is_active"])
        record(actor, action, held)

    _of_no_administrator(actor, action, user, HAND_OVER, act, former=False)


def sign_out(actor: Actor, user: User) -> int:
    """End all sessions of a person, and return how many were known."""
    action = "account.sessions-ended"
    authorise(actor, Verb.MANAGE, action, user)
    with transaction.atomic():
        ended = end_sessions(user)
        record(actor, action, user, detail={"sessions": ended})
    return ended


def reset_second_factor(actor: Actor, user: User, *, reason: str = "") -> None:
    """Remove a person's second factors, so that new ones are set up at the next sign-in.

    Raises:
        PeopleError: there is none.
        ConfirmationNeededError: whoever can take a factor away takes an account over.
    """
    action = "account.factors-reset"
    authorise(actor, Verb.MANAGE, action, user, confirmed=True)
    held = Authenticator.objects.filter(user=user)
    if not held.exists():
        raise refused(actor, action, user, f"{user.label} has no second factor.")
    with transaction.atomic():
        detail = {"types": sorted(held.values_list("type", flat=True))}
        held.delete()
        end_sessions(user)
        record(actor, action, user, reason=reason, detail=detail)


def _of_no_administrator(
    actor: Actor,
    action: str,
    user: User,
    problem: str,
    act: Callable[[User], None],
    *,
    former: bool = True,
) -> None:
    """Change an account, unless it is the administrator's by now.

    `former` lets an account pass that was it once and is switched off. Its row is looked at and
    held in one transaction: an acceptance at the same moment would else leave nobody in charge.
    """
    with transaction.atomic():
        held = User.objects.select_for_update().get(pk=user.pk)
        allowed = not held.is_administrator or (former and not held.is_active)
        if allowed:
            act(held)
    if not allowed:
        raise refused(actor, action, user, problem)
    user.refresh_from_db()


def refused(
    actor: Actor, action: str, user: User | None, words: str, kind: type[PeopleError] = PeopleError
) -> PeopleError:
    """Record that a rule said no, and return the error that says so."""
    record(actor, action, user, outcome=AuditEvent.Outcome.REFUSED, reason=words)
    return kind(f"{words} Nothing was changed.")
