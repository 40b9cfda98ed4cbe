"""Handing the administration over: one offers, the other accepts, and both change at once."""

from typing import Final

from allauth.mfa.utils import is_mfa_enabled
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.adapters import FACTORS
from accounts.audit import Actor, record
from accounts.authorising import authorise, confirm
from accounts.models import OFFER_LASTS, Handover, User
from accounts.people import PeopleError, refused
from accounts.recent import needs_second_factor
from accounts.recovery import renew_sign_in
from accounts.roles import GIVEN, Role, Verb
from accounts.services import sync_user
from accounts.sessions import end_sessions

OFFERED: Final = "handover.offered"
ACCEPTED: Final = "handover.accepted"
# The database keeps one active administrator, and let another one pass first.
MEANWHILE: Final = "Somebody else became administrator at the same moment."


class HandoverError(PeopleError):
    """The administration was not handed over; `str()` says why."""


def open_offer() -> Handover | None:
    """Return the offer that waits for an answer."""
    found = Handover.objects.filter(status=Handover.Status.OFFERED).select_related(
        "offered_by", "offered_to"
    )
    made = found.first()
    return made if made is not None and made.is_open else None


def offer_problem(user: User) -> str:
    """Return why the administration cannot be offered to a person; empty where it can."""
    if user.is_administrator:
        return f"{user.label} is the administrator already."
    if not user.is_active:
        return f"{user.label}'s account is switched off."
    if not user.has_usable_password():
        return (
            f"{user.label} has no password here, and an administrator signs in with one, not by "
            "single sign-on."
        )
    # Of the role to come: marketing has none to have one for.
    needs = needs_second_factor(User(role=Role.ADMINISTRATOR.value))
    if needs and not is_mfa_enabled(user, FACTORS):
        return f"{user.label} has to set up a second factor first, under Sign-in and security."
    return ""


def offer(actor: Actor, user: User, *, afterwards: Role | None, reason: str = "") -> Handover:
    """Offer the administration to a person, who has to accept it.

    `afterwards` is the role that the present administrator has then; None switches the account off.

    Raises:
        NotAllowedError: the actor is not the administrator, or did not confirm who it is.
        HandoverError: it cannot be offered to this person, or another offer waits.
    """
    authorise(actor, Verb.MANAGE, OFFERED, user, confirmed=True)
    if actor.user is None or not actor.user.is_administrator:
        raise _refused(actor, OFFERED, user, "Only the administrator hands over.")
    if afterwards is not None and afterwards not in GIVEN:
        raise _refused(actor, OFFERED, user, "There is one administrator.")
    if problem := offer_problem(user):
        raise _refused(actor, OFFERED, user, problem)
    try:
        with transaction.atomic():
            over = Handover.objects.filter(offered_at__lte=timezone.now() - OFFER_LASTS)
            over.filter(status=Handover.Status.OFFERED).update(
                status=Handover.Status.WITHDRAWN, ended_at=timezone.now()
            )
            made = Handover.objects.create(
                offered_by=actor.user,
                offered_to=user,
                role_afterwards=afterwards.value if afterwards else "",
                reason=reason,
            )
            detail = {"afterwards": made.role_afterwards or "off"}
            record(actor, OFFERED, user, reason=reason, detail=detail)
    except IntegrityError:
        words = "Another offer waits for an answer. Withdraw it first."
        raise _refused(actor, OFFERED, user, words) from None
    return made


def accept(actor: Actor, made: Handover) -> None:
    """Make the person to whom it was offered the administrator, and end both's sessions.

    Raises:
        ConfirmationNeededError: the person has to prove first who it is.
        HandoverError: it was not offered to this person, or cannot be accepted any more.
    """
    if actor.user is None or actor.user.pk != made.offered_to_id:
        raise _refused(actor, ACCEPTED, None, "It was not offered to you.")
    confirm(actor, ACCEPTED, actor.user)
    try:
        with transaction.atomic():
            problem = _take(actor, made)
    except IntegrityError:
        problem = MEANWHILE
    if problem:
        raise _refused(actor, ACCEPTED, actor.user, problem)


def _take(actor: Actor, made: Handover) -> str:
    # One changed row: of two answers at once the second finds none.
    changed = Handover.objects.filter(
        pk=made.pk, status=Handover.Status.OFFERED, offered_at=made.offered_at
    ).update(status=Handover.Status.ACCEPTED, ended_at=timezone.now())
    if not changed or timezone.now() >= made.ends_at:
        transaction.set_rollback(True)
        return "The offer was withdrawn, answered or is over."
    # Both rows are held, in one order, and looked at again: what was read before may have changed.
    keys = [made.offered_by_id, made.offered_to_id]
    held = {
        one.pk: one for one in User.objects.select_for_update().filter(pk__in=keys).order_by("pk")
    }
    old, new = (held[key] for key in keys)
    if not old.is_administrator or not old.is_active:
        transaction.set_rollback(True)
        return f"{old.label} is not the administrator any more."
    if problem := offer_problem(new):
        transaction.set_rollback(True)
        return problem
    afterwards = Role(made.role_afterwards) if made.role_afterwards else None
    _swap(old, new, afterwards)
    detail = {"from": old.username, "to": new.username, "afterwards": made.role_afterwards or "off"}
    record(actor, ACCEPTED, new, reason=made.reason, detail=detail)
    return ""


def end(actor: Actor, made: Handover) -> None:
    """Decline an offer, as whom it was made to, or withdraw it, as who made it.

    Raises:
        HandoverError: it is neither's, or was answered already.
    """
    mine = actor.user is not None and actor.user.pk == made.offered_to_id
    status = Handover.Status.DECLINED if mine else Handover.Status.WITHDRAWN
    action = f"handover.{status.value}"
    if not mine:
        authorise(actor, Verb.MANAGE, action, made.offered_to)
    with transaction.atomic():
        changed = Handover.objects.filter(pk=made.pk, status=Handover.Status.OFFERED).update(
            status=status, ended_at=timezone.now()
        )
        if changed:
            record(actor, action, made.offered_to)
    if not changed:
        raise _refused(actor, action, made.offered_to, "The offer was answered already.")


def recover(
    actor: Actor, user: User, *, afterwards: Role | None, reason: str, password: str | None = None
) -> User | None:
    """Make a person the administrator from the server, without the present one; return that one.

    All sessions of both end. With a password, which was checked, the sign-in of the new one is made
    anew, too.

    Raises:
        HandoverError: the account is switched off, the administrator already, or has no password.
    """
    action = "handover.recovered"
    try:
        with transaction.atomic():
            if password is not None and user.is_active:
                renew_sign_in(actor, user, password, reason=reason)
            old, problem = _take_from_the_server(actor, action, user, afterwards, reason)
            if problem:
                transaction.set_rollback(True)
    except IntegrityError:
        problem = MEANWHILE
    if problem:
        raise _refused(actor, action, user, problem)
    user.refresh_from_db()
    return old


def _take_from_the_server(
    actor: Actor, action: str, user: User, afterwards: Role | None, reason: str
) -> tuple[User | None, str]:
    both = Q(pk=user.pk) | Q(role=Role.ADMINISTRATOR.value, is_active=True)
    held = list(User.objects.select_for_update().filter(both).order_by("pk"))
    new = next(one for one in held if one.pk == user.pk)
    if not new.is_active:
        return None, f"{new.label}'s account is switched off."
    if new.is_administrator:
        return None, f"{new.label} is the administrator already."
    if not new.has_usable_password():
        return None, f"{new.label} has no password, and could not sign in. Use --reset-sign-in."
    old = next((one for one in held if one.is_administrator), None)
    Handover.objects.filter(status=Handover.Status.OFFERED).update(
        status=Handover.Status.WITHDRAWN, ended_at=timezone.now()
    )
    _swap(old, new, afterwards)
    detail = {"from": old.username if old else "", "to": new.username}
    record(actor, action, new, reason=reason, detail=detail)
    return old, ""


def _swap(old: User | None, new: User, afterwards: Role | None) -> None:
    """Change both roles in the one order that the database lets pass."""
    if old is not None:
        # Switched off, it keeps the least.
        old.role = (afterwards or Role.MARKETING).value
        old.is_active = afterwards is not None
        old.save(update_fields=["role", "is_active"])
        sync_user(old)
        end_sessions(old)
    new.role = Role.ADMINISTRATOR.value
    new.save(update_fields=["role"])
    sync_user(new)
    end_sessions(new)


def _refused(actor: Actor, action: str, user: User | None, words: str) -> PeopleError:
    return refused(actor, action, user, words, HandoverError)
