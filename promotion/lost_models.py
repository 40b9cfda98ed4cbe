"""What was seen of a lost state; part of `promotion.models`."""

from django.db import models

from environments.findings import Finding
from environments.models import Environment


class LostState(models.Model):
    """That the database and the cluster were seen to differ in what an environment serves."""

    environment = models.OneToOneField(
        Environment, on_delete=models.CASCADE, related_name="lost_state"
    )
    finding = models.JSONField()
    found_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.environment}: {self.finding['message']}"

    @classmethod
    def of(cls, environment: Environment) -> Finding | None:
        """Return what was found last, or None where all was as recorded."""
        kept = cls.objects.filter(environment=environment).first()
        return Finding.from_dict(kept.finding) if kept is not None else None
