"""The one place that answers "may this person do that?".

It knows nothing of the apps above: an object belongs to an environment if it has an `environment`
attribute, and a permission is a codename of `environments.Environment`.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from guardian.models import UserObjectPermission

from accounts.models import User
from accounts.roles import VERB_WORDS, Verb, roles_with

APP_LABEL = "environments"
MODEL = "environment"


@dataclass(frozen=True)
class Verdict:
    """Whether something is allowed and, if not, why, in words for a person."""

    allowed: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed


def may(user: User | AnonymousUser, verb: Verb, obj: Any = None) -> Verdict:
    """Answer whether `user` may do `verb`, to `obj` or, without one, everywhere.

    `obj` is an environment or anything with an `environment` attribute; what has none, such as a
    person, is no matter of an environment. Both ways are asked:
    `ModelBackend` grants nothing when an object is passed, so a global permission does not imply
    the object permission.
    """
    if not isinstance(user, User) or not user.is_active:
        return Verdict(False, "Sign in with an active account first.")
    permission = f"{APP_LABEL}.{verb.value}"
    if user.has_perm(permission):
        return Verdict(True)
    environment = getattr(obj, "environment", None)
    if environment is not None and user.has_perm(permission, environment):
        return Verdict(True)
    able = " or ".join(role.value for role in roles_with(verb))
    where, whom = "", f"a person with the role {able}"
    if environment is not None:
        where, whom = f" in {environment}", f"{whom} for this environment"
    return Verdict(
        False, f"{user.label} ({user.role}) may not {VERB_WORDS[verb]}{where}. Ask {whom}."
    )


def environments_with(user: User | AnonymousUser, verb: Verb) -> frozenset[int] | None:
    """Return the ids of the environments where `user` may do `verb`; None means all of them."""
    if not isinstance(user, User) or not user.is_active:
        return frozenset()
    if user.has_perm(f"{APP_LABEL}.{verb.value}"):
        return None
    ids = UserObjectPermission.objects.filter(
        user=user,
        permission__codename=verb.value,
        permission__content_type__app_label=APP_LABEL,
        permission__content_type__model=MODEL,
    ).values_list("object_pk", flat=True)
    return frozenset(int(pk) for pk in ids)


def may_anywhere(user: User | AnonymousUser, verb: Verb) -> bool:
    """Answer whether there is any environment where `user` may do `verb`."""
    ids = environments_with(user, verb)
    return ids is None or bool(ids)
