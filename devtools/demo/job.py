"""The console's main job, from a change on staging to production and back, by its services."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accounts.audit import Actor, command_actor
from accounts.authorising import NotAllowedError
from accounts.models import User
from devtools.demo import Document, indices, shop
from devtools.demo.setup import Demo
from devtools.demo.state import DemoError, Say, timed
from environments.elastic import ElasticError, connect
from environments.models import Environment
from promotion.adoption import adopt, run_adopt
from promotion.engine.errors import PromotionError
from promotion.live import finish
from promotion.models import Promotion, Review, StoredGeneration
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.rollback import rollback
from promotion.services import capture, review


def do_job(demo: Demo, say: Say) -> None:
    """Adopt, change, capture, approve, prepare, promote, verify, roll back.

    Raises:
        DemoError: a step failed; the text names it.
    """
    admin, qa = _actor("admin"), _actor("qa")
    staging, production = demo.staging, demo.production
    resource, doc_id, source = shop.change(1)
    with _step("Adopt production, as admin", say) as details:
        details.append(_succeeded(run_adopt(adopt(admin, production))))
    with _step("Change staging", say) as details:
        before = _served(production, resource, doc_id)
        _must(before != source, "Production has the change before it was made.")
        change = Document(resource, None, doc_id, source)
        indices.load(connect(staging.cluster), staging.naming, [change])
        details.append(f"{resource} {doc_id}")
    with _step("Capture staging, as qa", say) as details:
        build = capture(qa, staging)
        details.append(str(build))
    with _step("Approve the build, as qa", say):
        review(qa, build, Review.Verdict.APPROVED, content=build.content)
    with _step("Prepare it", say) as details:
        ready = prepare(build, production)
        details.append(_succeeded(ready))
    with _step("Promote it, as admin", say):
        agreed = [finding["code"] for finding in ready.consents_due]
        promotion = promote(
            admin, build, production, plan_digest=ready.plan_digest, consents=agreed
        )
        _must(_served(production, resource, doc_id) == source, "Production lacks the change.")
    with _step("Verify it", say) as details:
        details.append(_succeeded(finish(promotion)))
    with _step("Roll back, as admin", say) as details:
        live = StoredGeneration.live_in(production)
        marker = live.marker if live is not None else ""
        details.append(_succeeded(finish(rollback(admin, production, marker=marker))))
        _must(_served(production, resource, doc_id) == before, "The rollback left the change.")


@contextmanager
def _step(words: str, say: Say) -> Iterator[list[str]]:
    try:
        with timed(words, say) as details:
            yield details
    except (PromotionError, NotAllowedError, ElasticError, indices.LoadError) as error:
        raise DemoError(f"{words}: {error}") from error


def _actor(name: str) -> Actor:
    return command_actor(User.objects.get(username=name))


def _succeeded(promotion: Promotion) -> str:
    promotion.refresh_from_db()
    done = promotion.status == Promotion.Status.SUCCEEDED
    _must(done, f"{promotion} is {promotion.status}: {promotion.message}")
    return promotion.message.rstrip(".")


def _must(true: bool, otherwise: str) -> None:
    if not true:
        raise DemoError(f"{otherwise} Read the steps above.")


def _served(environment: Environment, resource: str, doc_id: str) -> dict[str, Any] | None:
    """Return the document as Tracardi would find it: by the alias, in a search."""
    answer = connect(environment.cluster).request(
        "GET",
        f"/{environment.naming.alias(resource)}/_search",
        body={"query": {"ids": {"values": [doc_id]}}},
    )
    hits = answer["hits"]["hits"]
    found: dict[str, Any] | None = hits[0]["_source"] if hits else None
    return json.loads(json.dumps(found)) if found is not None else None
