"""Threads of comments as pages show them, and the addresses where one is written."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.http import urlencode

from promotion.buttons import build_url
from promotion.compare_views import difference_url
from promotion.comparison import Row
from promotion.models import Build, Comment
from promotion.sides import Side


@dataclass(frozen=True)
class Thread:
    """A comment with its answers; `url` is what it is about, empty for the build as a whole."""

    first: Comment
    said: Sequence[Comment]
    url: str
    answer_url: str


def threads(build: Build, before: str = "", **about: str) -> list[Thread]:
    """Return what was said about a build's content, or about a part of it, the open ones first.

    `before` is the reference of what the build is compared with on the page.
    """
    found = Comment.objects.on(build).filter(**about)
    answers: dict[int, list[Comment]] = {}
    firsts = []
    for one in found.select_related("author", "resolved_by", "build"):
        if one.parent_id is None:
            firsts.append(one)
        else:
            answers.setdefault(one.parent_id, []).append(one)
    firsts.sort(key=lambda one: one.is_resolved)
    return [
        Thread(
            one,
            [one, *answers.get(one.pk, [])],
            document_page(build, one.resource, one.document, before) if one.resource else "",
            comment_url(build, before=before, reply=str(one.pk)),
        )
        for one in firsts
    ]


def comment_url(build: Build, **query: str) -> str:
    """Return the address where something is said about a build; `query` names the part of it."""
    kept = {name: value for name, value in query.items() if value}
    url = build_url(build, "promotion:comment")
    return f"{url}?{urlencode(kept)}" if kept else url


def document_page(build: Build, resource: str, document: str, before: str, was: str = "") -> str:
    """Return the page that a document's comments stand on: it compares, with itself at worst."""
    ref = f"{build.environment.slug}:{build.number}"
    return difference_url(before or ref, ref, (resource, document), was)


@dataclass(frozen=True)
class About:
    """What was said about one document of a comparison, and where more is said."""

    build: Build
    query: dict[str, str]
    threads: Sequence[Thread]

    def url(self, place: str = "") -> str:
        return comment_url(self.build, **self.query, place=place)

    def count(self, place: str) -> int:
        """Return how many threads are about a field."""
        return sum(one.first.place == place for one in self.threads)


def about_document(before: Side, after: Side, row: Row) -> About | None:
    """Return what was said about a document; None where it is compared with no build."""
    if after.build is None:
        return None
    name = row.resource.name
    query = {"resource": name, "id": row.id, "before": before.ref, "was": row.old_id}
    found = threads(after.build, before.ref, resource=name, document=row.id)
    return About(after.build, query, found)
