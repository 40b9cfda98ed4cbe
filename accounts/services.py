"""Changes to accounts and to what they are granted."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.contrib.auth.password_validation import validate_password
from django.db import models, transaction
from guardian.models import UserObjectPermission
from guardian.shortcuts import assign_perm

from accounts.audit import Actor, record
from accounts.models import User
from accounts.policy import APP_LABEL, MODEL
from accounts.roles import ROLE_VERBS, Role


def sync_roles() -> None:
    """Make the stored grants equal `accounts.roles`: the global ones, and each user's own.

    A user keeps the environments that were granted; what is granted there follows the role.
    """
    with transaction.atomic():
        group, _ = Group.objects.get_or_create(name=Role.ADMINISTRATOR.value)
        group.permissions.set(
            Permission.objects.filter(
                content_type__app_label=APP_LABEL,
                content_type__model=MODEL,
                codename__in=[verb.value for verb in ROLE_VERBS[Role.ADMINISTRATOR]],
            )
        )
        for user in User.objects.all():
            _sync(user, group)


def sync_user(user: User) -> None:
    """Make one person's grants equal what the role has, in the environments that were granted."""
    _sync(user, Group.objects.get_or_create(name=Role.ADMINISTRATOR.value)[0])


def _sync(user: User, administrators: Group) -> None:
    user.user_permissions.clear()
    if user.role == Role.ADMINISTRATOR.value:
        user.groups.set([administrators])
        UserObjectPermission.objects.filter(user=user).delete()
        return
    user.groups.clear()
    wanted = {verb.value for verb in ROLE_VERBS[Role(user.role)]}
    held = UserObjectPermission.objects.filter(user=user)
    granted = set(held.values_list("object_pk", flat=True))
    held.exclude(permission__codename__in=wanted).delete()
    permissions = Permission.objects.filter(
        content_type__app_label=APP_LABEL, content_type__model=MODEL, codename__in=wanted
    )
    for permission in permissions:
        for object_pk in granted:
            UserObjectPermission.objects.get_or_create(
                user=user,
                permission=permission,
                content_type=permission.content_type,
                object_pk=object_pk,
            )


def create_user(actor: Actor, *, username: str, role: Role, password: str, **names: Any) -> User:
    """Create and return an account with one role.

    Raises:
        ValidationError: the password is too weak, the name is taken, or there is an active
            administrator already.
    """
    with transaction.atomic():
        user = User(username=username, role=role.value, **names)
        validate_password(password, user)
        user.set_password(password)
        user.full_clean()
        user.save()
        if role is Role.ADMINISTRATOR:
            user.groups.add(Group.objects.get_or_create(name=Role.ADMINISTRATOR.value)[0])
        record(actor, "account.created", user, detail={"role": role.value})
    return user


def grant(actor: Actor, user: User, environment: models.Model) -> None:
    """Grant `user` everything that the role has in `environment`; again is harmless."""
    with transaction.atomic():
        for verb in ROLE_VERBS[Role(user.role)]:
            assign_perm(f"{APP_LABEL}.{verb.value}", user, environment)
        record(actor, "account.granted", environment, detail={"user": user.username})


def revoke(actor: Actor, user: User, environment: models.Model) -> None:
    """Take back everything that `user` was granted in `environment`."""
    with transaction.atomic():
        UserObjectPermission.objects.filter(
            user=user,
            content_type__app_label=APP_LABEL,
            content_type__model=MODEL,
            object_pk=str(environment.pk),
        ).delete()
        record(actor, "account.revoked", environment, detail={"user": user.username})
