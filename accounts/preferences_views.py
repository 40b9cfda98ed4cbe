"""The page of what each person sets for themselves, and the end of the tour."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.authorising import NotAllowedError
from accounts.preferences import choose_time_zone, set_tour
from accounts.time_zones import UnknownZoneError, is_known, offered, own_name
from accounts.tour import CLOSED
from accounts.web import console_page, not_allowed, show, signed_in


class TimeZoneForm(forms.Form):
    """The time zone by its name or its city; empty for the console's own."""

    time_zone = forms.CharField(
        max_length=64,
        required=False,
        label="Time zone",
        widget=forms.TextInput(
            attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "time_zone"
        ].help_text = (
            f"Write a city, or choose from the list. Empty: the console's own, {own_name()}."
        )

    def clean(self) -> dict[str, Any]:
        # An empty name has a meaning: what was not sent at all must not be taken for it.
        if "time_zone" not in self.data:
            self.add_error("time_zone", "The form was not sent whole. Nothing was changed.")
        return super().clean() or {}


@console_page
@require_http_methods(["GET", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """Show and change what a person sets for themselves."""
    user = signed_in(request)
    sent = request.POST if request.method == "POST" else None
    form = TimeZoneForm(sent, initial={"time_zone": user.time_zone})
    if sent is not None and form.is_valid():
        try:
            name = choose_time_zone(request_actor(request), form.cleaned_data["time_zone"])
        except UnknownZoneError as error:
            form.add_error("time_zone", str(error))
        except NotAllowedError as error:
            return not_allowed(request, error)
        else:
            messages.success(request, f"Saved. Times are shown in {name or own_name()}.")
            return HttpResponseRedirect(request.path)
    return show(
        request,
        "accounts/preferences.html",
        "Your settings",
        status=400 if form.errors else 200,
        form=form,
        zones=offered(),
        now=timezone.now(),
        zone=timezone.get_current_timezone_name(),
        own_zone=own_name(),
        lost_zone="" if not user.time_zone or is_known(user.time_zone) else user.time_zone,
        tour_is_over=user.tour_done_at is not None,
    )


@console_page
@require_POST
def tour(request: HttpRequest) -> HttpResponse:
    """End the tour, and go back to the page; or show it again, where it begins."""
    again = request.POST.get("to") == "again"
    try:
        set_tour(request_actor(request), is_over=not again)
    except NotAllowedError as error:
        return not_allowed(request, error)
    if again:
        return HttpResponseRedirect(reverse("admin:index"))
    if getattr(request, "htmx", False):
        return HttpResponse(f'<p class="tc-tour-end" role="status" tabindex="-1">{CLOSED}</p>')
    messages.success(request, CLOSED)
    back = request.POST.get("next", "")
    # An address of ours alone: a form elsewhere must not lead on to another site.
    ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return HttpResponseRedirect(back if ours else reverse("admin:index"))
