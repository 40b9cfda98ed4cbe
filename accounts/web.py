"""What all pages share: who may open one, what becomes of a refusal, and lists with filters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import urlencode

from accounts.audit import record, request_actor
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent, User
from accounts.policy import Verdict

PAGE_SIZE = 25
P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)


def console_page(
    view: Callable[Concatenate[HttpRequest, P], R],
) -> Callable[Concatenate[HttpRequest, P], R]:
    """Ask for a sign-in, and forbid every cache to keep the page."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R:
        response = view(request, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response

    protected: Callable[Concatenate[HttpRequest, P], R] = login_required(wrapped)
    return protected


def signed_in(request: HttpRequest) -> User:
    """Return the person; `console_page` let nobody else in."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def show(
    request: HttpRequest, template: str, title: str, status: int = 200, **context: Any
) -> HttpResponse:
    """Render a page in the console's frame.

    Raises:
        ValueError: the frame needs one of the names itself, such as `environment`.
    """
    frame = admin.site.each_context(request)
    if taken := frame.keys() & context:
        raise ValueError(f"The frame of each page needs these names: {', '.join(sorted(taken))}.")
    return render(request, template, {**frame, "title": title, **context}, status=status)


def forbidden(request: HttpRequest, verdict: Verdict, action: str, obj: Any = None) -> HttpResponse:
    """Say why a page is not for this person, and record the attempt."""
    refused = AuditEvent.Outcome.REFUSED
    record(request_actor(request), action, obj, outcome=refused, reason=verdict.reason)
    return _refused(request, verdict.reason)


def not_allowed(request: HttpRequest, error: NotAllowedError) -> HttpResponse:
    """Say why an act was refused; the service that refused it has recorded the attempt."""
    return _refused(request, str(error))


def _refused(request: HttpRequest, words: str) -> HttpResponse:
    return show(request, "console/refused.html", "Not allowed", status=403, message=words)


@dataclass(frozen=True)
class Filter:
    """A choice that narrows a list: the values of one look-up, with words for each."""

    name: str
    label: str
    lookup: str
    choices: Sequence[tuple[str, str]]


class FilterForm(forms.Form):
    """The filters of a list, and a search where it has one. It is sent by GET.

    `search` are the fields that hold what is searched for.
    """

    def __init__(
        self, data: Any, filters: Sequence[Filter] = (), search: Sequence[str] = ()
    ) -> None:
        super().__init__(data)
        self._filters, self._search = filters, search
        for one in filters:
            self.fields[one.name] = forms.ChoiceField(
                label=one.label, required=False, choices=[("", "Any"), *one.choices]
            )
        if search:
            self.fields["q"] = forms.CharField(
                label="Search",
                required=False,
                max_length=100,
                widget=forms.TextInput(attrs={"type": "search"}),
            )

    def chosen(self) -> dict[str, str]:
        """Return what was chosen, without what the form does not know."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that the filters leave; one that is not understood leaves all."""
        chosen = self.chosen()
        for one in self._filters:
            if one.name in chosen:
                rows = rows.filter(**{one.lookup: chosen[one.name]})
        if "q" in chosen:
            found = Q()
            for field in self._search:
                found |= Q(**{f"{field}__icontains": chosen["q"]})
            rows = rows.filter(found)
        return rows


@dataclass(frozen=True)
class Listing:
    """One page of a list. `query` keeps its filters in the addresses of the other pages."""

    page: Page[Any]
    form: FilterForm
    query: str

    @property
    def is_narrowed(self) -> bool:
        return bool(self.query)


def listing(
    request: HttpRequest,
    rows: QuerySet[Any],
    filters: Sequence[Filter] = (),
    search: Sequence[str] = (),
    size: int = PAGE_SIZE,
) -> Listing:
    """Return the page that a request asks for, of the rows that its filters leave.

    `search` are the fields that hold what is searched for. A value that no filter has is an error
    of the form, and leaves nothing out; a page number out of range is the nearest.
    """
    form = FilterForm(request.GET, filters, search)
    return paged(request, form.narrow(rows), form, size)


def paged(
    request: HttpRequest,
    rows: QuerySet[Any] | Sequence[Any],
    form: FilterForm,
    size: int = PAGE_SIZE,
    *,
    query: Mapping[str, str] | None = None,
    page: str | int | None = None,
) -> Listing:
    """Return the page that a request asks for, of rows that its filters left.

    `query` is what the addresses of the other pages keep, where that is more than the filters.
    Without a page in the address it is `page`, or the first.
    """
    wanted = request.GET.get("page") or page
    kept = form.chosen() if query is None else query
    return Listing(Paginator(rows, size).get_page(wanted), form, urlencode(kept))
