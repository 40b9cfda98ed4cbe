"""The recipes that were made; part of `environments.models`."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class RecipeVersion(models.Model):
    """What was answered about a staging and the production that it feeds, and the files of it."""

    staging = models.ForeignKey(
        "environments.Environment", on_delete=models.PROTECT, related_name="recipes"
    )
    production = models.ForeignKey(
        "environments.Environment", on_delete=models.PROTECT, related_name="recipes_as_production"
    )
    number = models.PositiveIntegerField()
    answers = models.JSONField()
    # Path and text of each file, in their order. They hold no secret: a recipe is given none.
    files = models.JSONField()
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)

    class Meta:
        ordering = ("-number",)
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["staging", "number"], name="environments_recipe_number")
        ]

    def __str__(self) -> str:
        return f"Recipe {self.number} of {self.staging}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep a new version; one that is kept stays as it is.

        Raises:
            TypeError: it is kept already.
        """
        if not self._state.adding:
            raise TypeError("A version of a recipe is never changed: make a new one.")
        super().save(*args, **kwargs)

    @property
    def texts(self) -> dict[str, str]:
        """The text of each file by its path."""
        return dict(self.files)

    @property
    def environment(self) -> Any:
        """Whom it belongs to (see accounts.policy)."""
        return self.staging
