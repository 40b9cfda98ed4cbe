"""People: the administrator adds them, switches them off, and grants them environments."""

from typing import Any, ClassVar

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest
from django_tasks_db.models import DBTaskResult
from guardian.models import UserObjectPermission
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.audit import record, request_actor
from accounts.models import User
from accounts.policy import APP_LABEL, MODEL, may
from accounts.roles import Role, Verb
from accounts.services import create_user, grant, revoke


class PolicyAdmin(ModelAdmin):  # type: ignore[misc]
    """An admin page that asks the policy, records each change, and deletes nothing."""

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


def _environments() -> Any:
    return apps.get_model(APP_LABEL, MODEL)._default_manager.all()


def _granted(user: User) -> set[int]:
    held = UserObjectPermission.objects.filter(user=user).values_list("object_pk", flat=True)
    return {int(pk) for pk in held}


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]
    """Names, whether the account is active, and what it is granted."""

    granted: Any = forms.ModelMultipleChoiceField(
        queryset=None,
        required=False,
        label="Environments",
        widget=UnfoldAdminSelectMultipleWidget,
        help_text="What this person may see; an administrator sees all.",
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "email", "is_active")
        widgets: ClassVar = {
            "first_name": UnfoldAdminTextInputWidget,
            "last_name": UnfoldAdminTextInputWidget,
            "email": UnfoldAdminEmailInputWidget,
            "is_active": UnfoldBooleanSwitchWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        granted: Any = self.fields["granted"]
        granted.queryset = _environments()
        if self.instance.pk:
            self.initial["granted"] = list(_granted(self.instance))

    def clean_is_active(self) -> bool:
        active = bool(self.cleaned_data["is_active"])
        if not active and self.instance.role == Role.ADMINISTRATOR.value:
            raise forms.ValidationError("The console keeps one active administrator.")
        return active


class NewPersonForm(PersonForm):
    """A new account: its name, role and first password."""

    username = forms.CharField(max_length=150, widget=UnfoldAdminTextInputWidget)
    role = forms.ChoiceField(
        choices=[(r.value, r.value) for r in Role if r is not Role.ADMINISTRATOR],
        widget=UnfoldAdminSelectWidget,
        help_text="There is one administrator, made with the create_admin command.",
    )
    password = forms.CharField(widget=UnfoldAdminPasswordWidget)

    def clean_username(self) -> str:
        name = str(self.cleaned_data["username"])
        if User.objects.filter(username=name).exists():
            raise forms.ValidationError("There is an account of this name.")
        return name

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        validate_password(password)
        return password


# Rights come from roles alone, and the queue's rows are no business of a page.
admin.site.unregister(Group)
admin.site.unregister(DBTaskResult)


@admin.register(User)
class UserAdmin(PolicyAdmin):
    list_display = ("username", "first_name", "last_name", "role", "is_active", "last_login")
    search_fields = ("username", "first_name", "last_name", "email")
    readonly_fields = ("username", "role")
    form = PersonForm

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if obj is None:
            return NewPersonForm
        return super().get_form(request, obj, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.readonly_fields if obj is not None else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ["username", "role"] if obj is not None else ["username", "role", "password"]
        fields = [*names, "first_name", "last_name", "email", "is_active", "granted"]
        return [(None, {"fields": fields})]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        actor, data = request_actor(request), form.cleaned_data
        if change:
            super().save_model(request, obj, form, change)
        else:
            made = create_user(
                actor,
                username=data["username"],
                role=Role(data["role"]),
                password=data["password"],
                first_name=data["first_name"],
                last_name=data["last_name"],
                email=data["email"],
            )
            obj.pk = made.pk
            obj.__dict__.update({k: v for k, v in made.__dict__.items() if not k.startswith("_")})
            obj._state.adding = False
        if obj.role == Role.ADMINISTRATOR.value:
            return
        before, wanted = _granted(obj), {e.pk: e for e in data["granted"]}
        for environment in _environments():
            if environment.pk in wanted and environment.pk not in before:
                grant(actor, obj, environment)
            if environment.pk in before and environment.pk not in wanted:
                revoke(actor, obj, environment)
