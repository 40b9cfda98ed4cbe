"""What the pages of the admin site share."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.audit import record, request_actor
from accounts.policy import may
from accounts.roles import Verb

# The audit trail is the history here, and nothing is deleted.
UNUSED = ("_history", "_delete")


class PolicyAdmin(ModelAdmin):  # type: ignore[misc]
    """An admin page that asks the policy, records each change, and deletes nothing."""

    def get_urls(self) -> list[Any]:
        # Django's history tells everybody whether a thing is there; nothing leads to the others.
        return [one for one in super().get_urls() if one.name and not one.name.endswith(UNUSED)]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(may(request.user, Verb.MANAGE))

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # History refers to everything here.
        return False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Leave Django's own log out: the audit trail has it."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Leave Django's own log out: the audit trail has it."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        action = f"{obj._meta.model_name}.{'changed' if change else 'added'}"
        record(request_actor(request), action, obj, detail={"fields": form.changed_data})
