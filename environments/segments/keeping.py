"""Keeps once a day how many profiles each segment of an environment holds."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import structlog
from django.db import transaction
from django.utils import timezone
from elasticsearch_dsl import Search

from environments.due import pause_after, take_on
from environments.elastic import ElasticError, connect
from environments.flowgraph import shown
from environments.models import Environment, SegmentLook, SegmentSize
from environments.together import together
from environments.visible import visible

log = structlog.get_logger(__name__)
# So many segments of an environment are kept, the largest first.
MOST: Final = 200
# A shard's own list, long enough that the merged one is exact but for very many segments.
_SHARD_MOST: Final = 1_000
_MOST_NAMES: Final = 1_000
_LONGEST: Final = 200
# The engine answers with what it has by then; the request waits a little longer.
_SEARCH_SECONDS, _REQUEST_SECONDS = 10, 15.0
KEPT: Final = timedelta(days=400)
# Until it is tried again where the engine did not answer; the last one holds for all later tries.
_PAUSES: Final = tuple(timedelta(minutes=one) for one in (5, 15, 60, 180))
# Who took it on and did not end is dead by then.
_LEAST_PAUSE: Final = timedelta(minutes=2)


class UncountedError(ElasticError):
    """The engine answered, and not with all of it. `str()` says what is missing."""


def keep_segment_sizes() -> int:
    """Keep the sizes of today where they are not kept yet; return of how many environments.

    Call it again and again. Of two workers that do, one looks at an environment.
    """
    today, kept = _today(), 0
    looks = {one.environment_id: one for one in SegmentLook.objects.all()}
    for environment in Environment.objects.select_related("cluster"):
        look = looks.get(environment.pk)
        if look is not None and look.day == today:
            continue
        tries = look.tries if look is not None else 0
        pause = pause_after(tries, _PAUSES) if tries else _LEAST_PAUSE
        if take_on(SegmentLook, timezone.now() - pause, environment=environment):
            kept += _look(environment)
    return kept


def _today() -> Any:
    return timezone.localdate(timezone=timezone.get_default_timezone())


def _look(environment: Environment) -> bool:
    """Count an environment's segments and keep them; return whether they were kept."""
    today = _today()
    try:
        sizes = read_sizes(environment)
    except ElasticError as error:
        _fail(environment, str(error))
        return False
    except Exception:
        # One answer that makes no sense must not keep the other environments from theirs.
        log.exception("segments.defect", environment=environment.slug)
        words = f"The console does not understand what cluster {environment.cluster} answered."
        _fail(environment, words)
        return False
    with transaction.atomic():
        held = Environment.objects.select_for_update().filter(pk=environment.pk).first()
        if held is None or (held.cluster_id, held.naming) != (
            environment.cluster_id,
            environment.naming,
        ):
            # Corrected meanwhile: these are the sizes of other indices.
            return False
        rows = SegmentSize.objects.filter(environment=environment)
        rows.filter(day=today).delete()
        rows.filter(day__lt=today - KEPT).delete()
        SegmentSize.objects.bulk_create(
            SegmentSize(environment=environment, day=today, key=key, name=name, size=size)
            for key, (name, size) in sizes.items()
        )
        look = SegmentLook.objects.filter(environment=environment)
        look.update(day=today, problem="", tries=0)
    return True


def _fail(environment: Environment, problem: str) -> None:
    for look in SegmentLook.objects.filter(environment=environment):
        look.problem, look.tries = problem, look.tries + 1
        look.save(update_fields=["problem", "tries"])


def read_sizes(environment: Environment) -> dict[str, tuple[str, int]]:
    """Return the name and the size of each segment, by what profiles hold; MOST at most.

    One that no profile has is there with 0, as long as it has a document.

    Raises:
        ElasticError: the engine does not answer, refuses, or answers in part.
    """
    sizes = Search().extra(size=0, track_total_hits=False, timeout=f"{_SEARCH_SECONDS}s")
    sizes.aggs.bucket("segments", "terms", field="segments", size=MOST, shard_size=_SHARD_MOST)
    names = Search().extra(
        size=_MOST_NAMES, _source=["name", "machine_name"], timeout=f"{_SEARCH_SECONDS}s"
    )
    asked = (("profile", sizes.to_dict()), ("segment", names.to_dict()))
    body = together(environment.naming, asked)
    connection = connect(environment.cluster)
    answer = connection.request("POST", "/_msearch", body=body, timeout=_REQUEST_SECONDS)
    counted, named = answer["responses"]
    _check_whole(counted)
    found = counted.get("aggregations", {}).get("segments", {}).get("buckets", ())
    called = _names(named)
    held = {
        _short(one["key"]): (called.get(one["key"], _short(one["key"])), int(one["doc_count"]))
        for one in found
    }
    for key, name in called.items():
        if len(found) < MOST and len(held) < MOST:
            held.setdefault(_short(key), (name, 0))
    return held


def _check_whole(answer: Mapping[str, Any]) -> None:
    if "error" in answer:
        kind = answer["error"].get("type", "no details")
        raise UncountedError(
            f"Profiles could not be counted by segment: the search engine refused ({kind}). See "
            "that the mapping of the profiles' index is Tracardi's own."
        )
    if answer["_shards"]["failed"] or answer["timed_out"]:
        raise UncountedError(
            "Profiles could not be counted by segment: the search engine read a part of them "
            "alone. Nothing was kept of today."
        )


def _names(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return what segments are called, by what profiles hold."""
    found: dict[str, str] = {}
    for hit in answer.get("hits", {}).get("hits", ()):
        source = hit.get("_source") or {}
        key, name = source.get("machine_name"), source.get("name")
        if isinstance(key, str) and key:
            found.setdefault(key, _short(name if isinstance(name, str) and name else key))
    return found


def _short(text: str) -> str:
    return visible(shown(text))[:_LONGEST]
