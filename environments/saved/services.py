"""What a person does with views: keep, change, share, remove, begin with. Nothing else changes."""

from collections.abc import Iterable
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.authorising import NotAllowedError, authorise
from accounts.models import AuditEvent, User
from accounts.policy import may
from accounts.roles import Role, Verb
from environments.dashboards.chosen import Chosen, chosen_from
from environments.models import Environment, Pin, SavedView, Share
from environments.saved.models import LONGEST_QUERY

MOST_VIEWS: Final = 50
SAVED: Final = "view.saved"
CHANGED: Final = "view.changed"
REMOVED: Final = "view.removed"
PINNED: Final = "view.pinned"
UNPINNED: Final = "view.unpinned"
DROPPED: Final = "summary.dropped"


class SavedError(Exception):
    """A rule said no; nothing was changed. `str()` is fit for people."""


class NameTakenError(SavedError):
    """The person has a view of this name there already; `view` is it."""

    def __init__(self, view: SavedView) -> None:
        super().__init__(
            f"You have a view “{view.name}” of {view.environment} already. Nothing was saved. "
            "Replace it, or choose another name."
        )
        self.view = view


def chosen_of(query: str) -> Chosen:
    """Return the days and filters that a query asks for; what is none of them is left out."""
    chosen, _ = chosen_from(QueryDict(query), timezone.now(), timezone.get_current_timezone())
    return chosen


def person_of(actor: Actor, action: str, environment: Environment) -> User:
    """Return whose settings an actor changes, who may see an environment's dashboard.

    Raises:
        NotAllowedError: they may not, look as somebody else, or are no person.
    """
    authorise(actor, Verb.VIEW_DASHBOARD, action, environment)
    if actor.user is None:
        raise NotAllowedError("Only a person has views of their own. Nothing was changed.")
    return actor.user


def save_view(
    actor: Actor,
    environment: Environment,
    name: str,
    query: str,
    roles: Iterable[Role] = (),
    *,
    replace: bool = False,
) -> SavedView:
    """Keep what a dashboard's address asks for under a name, and share it with roles.

    With `replace` a view of the same name takes it over: whoever began with it still does, and it
    stays shared as it was, with `roles` beside. Sharing is taken away by `change_view` alone.

    Raises:
        NotAllowedError: the actor may not.
        NameTakenError: they have a view of that name, and it is not to be replaced.
        SavedError: the name or the address cannot be kept, or there are too many.
    """
    owner = person_of(actor, SAVED, environment)
    name, query = _named(name), _kept(query)
    with transaction.atomic():
        # One after the other, so that none slips past the limit.
        User.objects.select_for_update().get(pk=owner.pk)
        own = SavedView.objects.filter(owner=owner)
        view = own.filter(environment=environment, name__iexact=name).first()
        if view is not None and not replace:
            raise NameTakenError(view)
        if view is None:
            # Of an environment that they may not see any more they can remove none.
            if SavedView.objects.visible_to(owner).filter(owner=owner).count() >= MOST_VIEWS:
                raise SavedError(
                    f"You have {MOST_VIEWS} views, which is as many as one person keeps. Nothing "
                    "was saved. Remove one first, or replace it."
                )
            view = SavedView(environment=environment, owner=owner)
            before = None
        else:
            before = {"query": view.query, "roles": view.roles}
            roles = [*roles, *map(Role, view.roles)]
        view.name, view.query, view.changed_at = name, query, timezone.now()
        view.save()
        after: dict[str, Any] = {"query": query, "roles": _share(view, roles)}
        record(actor, SAVED, view, detail={"before": before, "after": after} if before else after)
    return view


def change_view(actor: Actor, view: SavedView, name: str, roles: Iterable[Role]) -> SavedView:
    """Give a view another name, and share it with just these roles.

    Raises:
        NotAllowedError: it is not the actor's, or they may not see its environment any more.
        SavedError: the name cannot be, or another view of theirs has it.
    """
    owner = person_of(actor, CHANGED, view.environment)
    check_own(actor, view)
    name = _named(name)
    same = SavedView.objects.filter(owner=owner, environment=view.environment, name__iexact=name)
    if same.exclude(pk=view.pk).exists():
        raise SavedError(
            f"Another view of yours is called “{name}”. Nothing was changed. Choose another name."
        )
    before = {"name": view.name, "roles": view.roles}
    try:
        with transaction.atomic():
            view.name, view.changed_at = name, timezone.now()
            view.save(update_fields=["name", "changed_at"])
            after = {"name": name, "roles": _share(view, roles)}
            if after != before:
                record(actor, CHANGED, view, detail={"before": before, "after": after})
    except IntegrityError:
        # Somebody was quicker, in another window.
        raise SavedError("The view could not be renamed. Nothing was changed. Try again.") from None
    return view


def may_remove(user: User, view: SavedView) -> bool:
    """Answer whether a view is theirs to remove.

    That is its owner's, and the administrator's where it is shared and the owner cannot any more.
    """
    if view.owner_id == user.pk:
        return True
    # Most people are no administrator: of those nothing more is asked.
    if not may(user, Verb.MANAGE, view.environment):
        return False
    return view.shares.exists() and not may(view.owner, Verb.VIEW_DASHBOARD, view.environment)


def remove_view(actor: Actor, view: SavedView) -> None:
    """Forget a view; who began with it begins as before, and summaries of it end.

    Raises:
        NotAllowedError: it is not the actor's to remove.
    """
    user = person_of(actor, REMOVED, view.environment)
    if not may_remove(user, view):
        check_own(actor, view, REMOVED)
    with transaction.atomic():
        detail: dict[str, Any] = {"owner": view.owner.username, "query": view.query}
        record(actor, REMOVED, view, detail={**detail, "roles": view.roles})
        for one in view.summaries.select_related("user", "environment", "view"):
            words = f"{user.label} removed {view}."
            record(actor, DROPPED, one, reason=words, detail={"of": one.user.username})
        # Whoever removes it knows; the pins of others stay, and tell them.
        Pin.objects.filter(view=view, user=user).delete()
        view.delete()


def pin_view(actor: Actor, view: SavedView) -> None:
    """Let the actor begin with a view that they may see.

    Raises:
        NotAllowedError: they may not see it.
    """
    user = person_of(actor, PINNED, view.environment)
    if not SavedView.objects.visible_to(user).filter(pk=view.pk).exists():
        raise _refused(actor, PINNED, view, "This view is not shared with you.")
    with transaction.atomic():
        Pin.objects.update_or_create(user=user, defaults={"view": view})
        record(actor, PINNED, view)


def unpin_view(actor: Actor, environment: Environment) -> None:
    """Let the actor begin as their role does; again is harmless.

    Raises:
        NotAllowedError: they look as somebody else, or may not see the environment.
    """
    user = person_of(actor, UNPINNED, environment)
    with transaction.atomic():
        pin = Pin.objects.filter(user=user).select_related("view__environment").first()
        if pin is not None:
            record(actor, UNPINNED, pin.view or environment)
            pin.delete()


def pinned_page(user: User) -> str:
    """Return the address that a person begins with; empty where they pinned none they may see."""
    pin = Pin.objects.filter(user=user).first()
    if pin is None or pin.view_id is None:
        return ""
    seen = SavedView.objects.visible_to(user).select_related("environment")
    view = seen.filter(pk=pin.view_id).first()
    return view.url if view is not None else ""


def check_own(actor: Actor, view: SavedView, action: str = CHANGED) -> None:
    """Let an actor pass whose view it is, or record that it is not.

    Raises:
        NotAllowedError: it is another person's.
    """
    if actor.user is None or view.owner_id != actor.user.pk:
        words = f"This view is {view.owner.label}'s: only they change it."
        raise _refused(actor, action, view, words)


def _refused(actor: Actor, action: str, view: SavedView, words: str) -> NotAllowedError:
    words = f"{words} Nothing was changed."
    record(actor, action, view, outcome=AuditEvent.Outcome.REFUSED, reason=words)
    return NotAllowedError(words)


def _named(name: str) -> str:
    name = " ".join(name.split())
    most = SavedView._meta.get_field("name").max_length or 0
    if not name or len(name) > most or not name.isprintable():
        raise SavedError(
            f"A view needs a name of 1 to {most} characters that can be seen. Nothing was changed."
        )
    return name


def _kept(query: str) -> str:
    kept = chosen_of(query).query()
    if len(kept) > LONGEST_QUERY:
        raise SavedError(
            f"These filters need {len(kept):,} characters, and a view keeps {LONGEST_QUERY:,}. "
            "Nothing was saved. Choose fewer of them."
        )
    return kept


def _share(view: SavedView, roles: Iterable[Role]) -> list[str]:
    wanted = {role.value for role in roles}
    Share.objects.filter(view=view).exclude(role__in=wanted).delete()
    Share.objects.bulk_create(
        [Share(view=view, role=role) for role in wanted], ignore_conflicts=True
    )
    return sorted(wanted)
