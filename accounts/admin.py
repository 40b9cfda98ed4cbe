"""What the pages of the admin site share."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from accounts.audit import record, request_actor
from accounts.authorising import confirm
from accounts.confirming import confirm_first, lacks_proof, to_confirm
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

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Ask for a proof of who it is before the form is shown, and again before it is read.

        Where the console connects, and with which password, gives production away.
        """
        if lacks_proof(request, Verb.MANAGE):
            back = request.get_full_path()
            with confirm_first(request, back) as asked:
                if request.method == "POST":
                    confirm(request_actor(request), f"{self.opts.model_name}.changed", None)
            return asked.answer or to_confirm(request, back)
        answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        return answer

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        action = f"{obj._meta.model_name}.{'changed' if change else 'added'}"
        record(request_actor(request), action, obj, detail={"fields": form.changed_data})
