"""Who does what is done again and again: of several workers one, and not before it is due."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.utils import timezone


def take_on(model: type[models.Model], limit: datetime, **of: Any) -> bool:
    """Take something on, if it was begun before `limit` and nobody else takes it.

    `of` names the row of `model`, which is made where there is none; its `begun_at` says when
    somebody took it on last.
    """
    rows = model._default_manager
    kept, made = rows.get_or_create(**of)
    due = rows.filter(pk=kept.pk, begun_at__lte=limit)
    return made or bool(due.update(begun_at=timezone.now()))


def pause_after(tries: int, pauses: Sequence[timedelta]) -> timedelta:
    """Return how long to wait after so many failures; the last pause holds for all later ones."""
    return pauses[min(max(tries, 1), len(pauses)) - 1]
