"""The receipt: what a promotion did, by whom, and that it touched no protected index."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import User
from promotion.engine.errors import PromotionError
from promotion.engine.ports import IndexState
from promotion.engine.receipt import seal, written_to
from promotion.engine.verification import Receipt, receipt
from promotion.models import Build, Promotion, StoredGeneration
from promotion.planning import indices_of
from promotion.together import together
from promotion.writer import ClusterWriter

SALT: Final = "promotion.receipt"


def keep_before(writer: ClusterWriter, promotion: Promotion) -> dict[str, IndexState]:
    """Keep what the protected indices are before anything is changed; once.

    Returns the states of all the environment's indices, which had to be read for it.
    """
    if promotion.receipt is not None:
        return indices_of(writer, promotion.environment)
    patterns = promotion.environment.naming.search_patterns()
    states: dict[str, IndexState]
    states, writes = together(
        lambda: indices_of(writer, promotion.environment), lambda: _writes(writer, patterns)
    )
    before = _facts(promotion, states)
    promotion.receipt = {"before": before, "writes_before": _of(writes, before)}
    promotion.save(update_fields=["receipt"])
    return states


def complete(writer: ClusterWriter, promotion: Promotion, states: Mapping[str, IndexState]) -> str:
    """Compare with what they are now, keep both, and return the outcome in words."""
    kept = promotion.receipt or {"before": {}}
    after = _facts(promotion, states)
    differences = _receipt(kept["before"]).differences(_receipt(after))
    now = _of(_writes(writer, promotion.environment.naming.search_patterns()), after)
    written = written_to(kept.get("writes_before", {}), now)
    promotion.receipt = {
        **kept,
        "after": after,
        "differences": differences,
        "writes_after": now,
        "written": written,
    }
    promotion.save(update_fields=["receipt"])
    if differences:
        return f"Not by this promotion, but meanwhile: {'; '.join(differences)}"
    words = f"{len(kept['before'])} protected indices are as they were"
    if not now:
        return words
    if written:
        return f"{words}; visitors wrote to {len(written)} of them"
    return f"{words}, to the document"


def _writes(writer: ClusterWriter, patterns: list[str]) -> dict[str, list[int]]:
    """Return the sequence numbers of an environment's indices; equal ones prove equal documents."""
    try:
        return {name: list(numbers) for name, (_, numbers) in writer.written(patterns).items()}
    except PromotionError:
        # They prove more than UUIDs do, and no promotion waits for them.
        return {}


def _of(writes: Mapping[str, list[int]], indices: Mapping[str, object]) -> dict[str, list[int]]:
    return {name: numbers for name, numbers in writes.items() if name in indices}


def _facts(promotion: Promotion, states: Mapping[str, IndexState]) -> dict[str, list[str]]:
    found = receipt(promotion.environment.naming, states)
    return {name: list(value) for name, value in found.indices.items()}


def _receipt(kept: dict[str, list[str]]) -> Receipt:
    return Receipt.from_dict(kept)


def issue(promotion: Promotion) -> None:
    """Keep a promotion's receipt with it, signed; call it once, when it has ended."""
    kept = promotion.receipt or {}
    promotion.receipt = {**kept, "issued": seal(_whole(promotion), sign)}
    promotion.save(update_fields=["receipt"])


def issued(promotion: Promotion) -> dict[str, Any] | None:
    """Return a promotion's signed receipt, or None where it has none: it goes on, or is older."""
    found: dict[str, Any] | None = (promotion.receipt or {}).get("issued")
    return found


def sign(name: str) -> str:
    """Sign a receipt's digest with the console's key."""
    return salted_hmac(SALT, name, algorithm="sha256").hexdigest()


def is_signed(name: str, signature: str) -> bool:
    """Answer whether this console signed a digest, with its present key or an earlier one."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    made = [salted_hmac(SALT, name, secret=key, algorithm="sha256").hexdigest() for key in keys]
    return any(constant_time_compare(signature, one) for one in made)


def _whole(promotion: Promotion) -> dict[str, Any]:
    environment, build, plan = promotion.environment, promotion.build, promotion.plan_facts
    kept = promotion.receipt or {}
    went_live = promotion.status == Promotion.Status.SUCCEEDED and promotion.live_at is not None
    base = StoredGeneration.objects.filter(
        environment=environment, marker=(plan or {}).get("base_marker", "")
    ).first()
    return {
        "promotion": promotion.pk,
        "attempt": promotion.token,
        "kind": promotion.kind,
        "status": promotion.status,
        "message": promotion.message,
        "environment": {
            "name": environment.name,
            "key": environment.naming.key,
            "version": environment.version,
        },
        "cluster_uuid": environment.cluster.uuid,
        "build": _build(build),
        "asked": {"by": _name(promotion.requested_by), "at": _time(promotion.created_at)},
        "approved": _approval(build),
        "comment": promotion.comment,
        "consents": promotion.consents_due,
        "plan": plan,
        "plan_digest": promotion.plan_digest,
        "generations": {
            "before": {"number": base.number, "marker": base.marker} if base else None,
            "after": promotion.made_facts if went_live else None,
        },
        "live_at": _time(promotion.live_at),
        "finished_at": _time(promotion.finished_at),
        "steps": [
            {
                "name": step.name,
                "status": step.status,
                "detail": step.detail,
                "started_at": _time(step.started_at),
                "finished_at": _time(step.finished_at),
                "seconds": round(step.duration, 3),
            }
            for step in promotion.steps.all()
        ],
        "protected": {
            "before": kept.get("before", {}),
            # None where it ended before anybody looked.
            "after": kept.get("after"),
            "differences": kept.get("differences", []),
            # Sequence numbers a shard: where they are equal, no document was touched.
            "writes": {
                "before": kept.get("writes_before", {}),
                "after": kept.get("writes_after", {}),
            },
            "written": kept.get("written", []),
        },
    }


def _build(build: Build | None) -> dict[str, Any] | None:
    if build is None:
        return None
    return {
        "environment": build.environment.name,
        "number": build.number,
        "kind": build.kind,
        "content": build.content,
        "exact": build.exact,
    }


def _approval(build: Build | None) -> dict[str, Any] | None:
    review = build.review if build is not None else None
    if review is None:
        return None
    return {
        "verdict": review.verdict,
        "content": review.content,
        "by": _name(review.reviewed_by),
        "at": _time(review.reviewed_at),
        "workflow_tests": review.proofs,
    }


def _name(user: User | None) -> str:
    return user.username if user is not None else "the console"


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
