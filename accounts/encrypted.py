"""What the console keeps encrypted, by kind: where `rotate-keys` looks.

Each EncryptedTextField is found by itself. What is encrypted in another way is registered by the
app that keeps it, in its `ready`.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from django.apps import apps
from django.db import models
from django.db.models.functions import Cast, Length
from django.utils.text import capfirst

from accounts.crypto import EncryptedTextField

# So many rows are in memory at once, and of those so much, or one that is larger.
BATCH: Final = 200
BATCH_BYTES: Final = 8 * 1024 * 1024
Replace = Callable[[bytes], bytes]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One field of one model that holds encrypted values.

    `tokens` returns those that a row's field holds, and `replaced` the field with each of them as a
    function returns it.
    """

    label: str
    model: str
    field: str
    tokens: Callable[[Any], Sequence[bytes]]
    replaced: Callable[[Any, Replace], Any]
    only: models.Q = dataclasses.field(default_factory=models.Q)

    @property
    def name(self) -> str:
        """What programs call it."""
        return f"{self.model}.{self.field}"

    @property
    def rows(self) -> models.QuerySet[Any]:
        """All rows that may hold one, whatever their manager hides."""
        rows: models.QuerySet[Any] = apps.get_model(self.model)._base_manager.filter(self.only)
        return rows

    def batches(self) -> Iterator[list[tuple[Any, Any]]]:
        """Yield key and field of each row as the database has them, a few at a time."""
        rows, last = self.rows.order_by("pk"), None
        size = Length(Cast(self.field, models.TextField()))
        if isinstance(self._field, models.BinaryField):
            size = Length(self.field)
        while True:
            ahead = rows if last is None else rows.filter(pk__gt=last)
            sizes = list(ahead.annotate(bytes_held=size).values_list("pk", "bytes_held")[:BATCH])
            if not sizes:
                return
            taken: list[Any] = []
            held = 0
            for pk, one in sizes:
                if taken and held + (one or 0) > BATCH_BYTES:
                    break
                taken.append(pk)
                held += one or 0
            last = taken[-1]
            found = self.rows.filter(pk__in=taken).annotate(as_kept=self._as_kept)
            yield [(pk, self._plain(kept)) for pk, kept in found.values_list("pk", "as_kept")]

    def change(self, pk: Any, before: Any, after: Any) -> bool:
        """Put a row's field in place of `before`; answer whether that was still there."""
        same = self.rows.filter(pk=pk, **{self.field: self._value(before)})
        return same.update(**{self.field: self._value(after)}) == 1

    @property
    def _field(self) -> models.Field[Any, Any]:
        found: models.Field[Any, Any] = apps.get_model(self.model)._meta.get_field(self.field)
        return found

    @property
    def _as_kept(self) -> models.expressions.Combinable:
        if isinstance(self._field, EncryptedTextField):
            # Not decrypted on the way.
            return models.ExpressionWrapper(models.F(self.field), output_field=models.TextField())
        return models.F(self.field)

    def _value(self, held: Any) -> Any:
        if isinstance(self._field, EncryptedTextField):
            return models.Value(held, output_field=models.TextField())
        return held

    @staticmethod
    def _plain(held: Any) -> Any:
        return bytes(held) if isinstance(held, memoryview) else held


def _text_tokens(held: Any) -> Sequence[bytes]:
    return [held.encode()] if held else []


def _bytes_tokens(held: Any) -> Sequence[bytes]:
    return [held] if held else []


def whole_text(label: str, model: str, name: str) -> Kind:
    """Return the kind of a text field that is one encrypted value."""

    def replaced(held: Any, replace: Replace) -> Any:
        return replace(held.encode()).decode()

    return Kind(label, model, name, _text_tokens, replaced)


def whole_bytes(label: str, model: str, name: str) -> Kind:
    """Return the kind of a binary field that is one encrypted value."""
    return Kind(label, model, name, _bytes_tokens, lambda held, replace: replace(held))


_registered: Final[dict[str, Kind]] = {}


def register(kind: Kind) -> None:
    """Let `rotate-keys` know of a kind, whose field is there; again is harmless."""
    apps.get_model(kind.model)._meta.get_field(kind.field)
    _registered[kind.name] = kind


def kinds() -> list[Kind]:
    """Return all kinds, in a lasting order."""
    found = dict(_registered)
    for model in apps.get_models():
        for one in model._meta.local_fields:
            if isinstance(one, EncryptedTextField) and not model._meta.proxy:
                label = f"{capfirst(one.verbose_name)} of {model._meta.verbose_name_plural}"
                kind = whole_text(label, model._meta.label, one.name)
                found.setdefault(kind.name, kind)
    return [found[name] for name in sorted(found)]
