"""The audit trail as a page, and as files."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Final
from uuid import UUID

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.chain import FIELDS
from accounts.models import AuditEvent, User
from accounts.policy import environments_with, may, may_anywhere
from accounts.roles import Verb
from accounts.spreadsheets import cell
from accounts.web import Filter, FilterForm, console_page, forbidden, paged, show, signed_in

CHANNELS: Final = [("web", "Page"), ("cli", "Command"), ("system", "Console")]
_FILTERS: Final = (
    Filter("outcome", "Outcome", "outcome", AuditEvent.Outcome.choices),
    Filter("channel", "Channel", "channel", CHANNELS),
)
_SEARCHED: Final = ("actor_name", "action", "object_label", "environment_label", "reason")
FORMATS: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
COLUMNS: Final = (*FIELDS, "digest")
# Beside the first and the last day of all there is none, in any time zone.
_DAYS: Final = (MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(9000, 1, 1)))


class AuditFilterForm(FilterForm):
    """The filters of the trail; days are whole ones in the console's time zone."""

    since = forms.DateField(
        label="From",
        required=False,
        validators=_DAYS,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    until = forms.DateField(
        label="To",
        required=False,
        validators=_DAYS,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    # One click or command; a link of the page sets it.
    group = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the events that the filters leave; one that is not understood leaves all."""
        rows = super().narrow(rows)
        chosen: dict[str, Any] = self.chosen()
        zone = timezone.get_current_timezone()
        if "since" in chosen:
            rows = rows.filter(at__gte=_midnight(chosen["since"], zone))
        if "until" in chosen:
            rows = rows.filter(at__lt=_midnight(chosen["until"] + timedelta(days=1), zone))
        if isinstance(chosen.get("group"), UUID):
            rows = rows.filter(group=chosen["group"])
        return rows


def visible_events(user: User) -> QuerySet[AuditEvent] | None:
    """Return the events that a person may see; None where that is none at all.

    That is everything, or one's own acts and those on builds that one may see.
    """
    events = AuditEvent.objects.order_by("-number")
    if may(user, Verb.VIEW_AUDIT):
        return events
    if not may_anywhere(user, Verb.VIEW_OWN_AUDIT):
        return None
    granted = environments_with(user, Verb.VIEW_OWN_AUDIT) or frozenset()
    return events.filter(actor=user) | events.filter(
        object_type="build", environment_id__in=granted
    )


@console_page
@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    """List the audit trail, the newest first."""
    user = signed_in(request)
    events = visible_events(user)
    if events is None:
        return forbidden(request, may(user, Verb.VIEW_AUDIT), "audit.list")
    form = AuditFilterForm(request.GET, _FILTERS, _SEARCHED)
    found = paged(request, form.narrow(events), form)
    rows = [(event, json.dumps(event.detail, indent=2, sort_keys=True)) for event in found.page]
    return show(
        request, "console/audit.html", "Audit trail", listing=found, rows=rows, formats=FORMATS
    )


@console_page
@require_GET
def export_audit(request: HttpRequest, form: str) -> HttpResponse | StreamingHttpResponse:
    """Download what the filters leave, as CSV or JSON lines, the oldest first."""
    user = signed_in(request)
    if form not in FORMATS:
        raise Http404
    events = visible_events(user)
    if events is None:
        return forbidden(request, may(user, Verb.VIEW_AUDIT), "audit.list")
    filters = AuditFilterForm(request.GET, _FILTERS, _SEARCHED)
    rows = filters.narrow(events).order_by("number").iterator(chunk_size=1000)
    lines = _csv(rows) if form == "csv" else _jsonl(rows)
    answer = StreamingHttpResponse(lines, content_type=FORMATS[form])
    answer["Content-Disposition"] = f'attachment; filename="audit-trail.{form}"'
    return answer


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _facts(event: AuditEvent) -> dict[str, Any]:
    held = {**event.facts, "digest": event.digest}
    held["at"] = event.at.isoformat(timespec="microseconds")
    held["group"] = str(event.group)
    return held


def _jsonl(events: Iterator[AuditEvent]) -> Iterator[str]:
    for event in events:
        yield json.dumps(_facts(event), ensure_ascii=False) + "\n"


def _csv(events: Iterator[AuditEvent]) -> Iterator[str]:
    held = io.StringIO()
    writer = csv.writer(held)
    writer.writerow(COLUMNS)
    for event in events:
        facts = _facts(event)
        facts["detail"] = json.dumps(facts["detail"], ensure_ascii=False, sort_keys=True)
        writer.writerow([cell(facts[name]) for name in COLUMNS])
        yield held.getvalue()
        held.seek(0)
        held.truncate()
    # The head alone, where there is none.
    yield held.getvalue()
