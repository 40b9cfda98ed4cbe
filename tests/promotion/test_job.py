"""The main job by the services: adopt, capture, approve, prepare, promote, roll back, release."""

import json
import threading
from datetime import timedelta

import pytest

from accounts.authorising import NotAllowedError
from environments.dashboards.marks import markers
from environments.elastic import Connection, Refused, connect
from environments.models import Environment
from promotion.adoption import adopt, run_adopt
from promotion.beginning import cancel
from promotion.buttons import readiness
from promotion.engine.errors import Aborted, Mismatch, PreflightFailed, RuleBroken, StalePlan
from promotion.engine.ports import digest
from promotion.live import finish
from promotion.locking import lock, unlock
from promotion.models import Build, BuildPart, Promotion, Review, StoredGeneration, Unlocking
from promotion.planning import check_build, indices_of, look
from promotion.preparing import (
    current_preparation,
    newest_approved,
    prepare,
    request_preparation,
    run_preparation,
)
from promotion.promotions import promote
from promotion.releasing import request_release, run_release
from promotion.rollback import drift_in, rollback
from promotion.services import capture, review
from promotion.store import DatabaseContent
from promotion.tasks import clean_environment
from promotion.writer import ClusterWriter
from tests.data import configuration
from tests.factories import People, approved, served
from tests.promotion.conftest import Put, Ship

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_whole_job(
    ship: Ship, people: People, staging: Environment, adopted: Environment, put: Put
) -> None:
    put("segment", "seg-new", '{"name": "New"}')
    first = ship()
    assert first.status == "succeeded"
    assert served(adopted, "segment")["seg-new"] == b'{"name": "New"}'
    assert first.receipt is not None
    assert first.receipt["differences"] == []
    assert len(first.receipt["before"]) == 2
    assert all(step.status == "succeeded" for step in first.steps.all())

    live = StoredGeneration.live_in(adopted)
    assert live is not None
    back = finish(rollback(people.admin, adopted, marker=live.marker))
    assert back.status == "succeeded"
    assert served(adopted, "segment") == dict(configuration("tracardi-segment"))
    plan = back.plan
    assert plan is not None
    assert plan.fresh == ()

    # Forward again: the kept index is used again, and the old approval holds.
    again = ship()
    assert again.status == "succeeded"
    assert again.plan is not None
    assert again.plan.fresh == ()
    assert "seg-new" in served(adopted, "segment")


def test_a_second_rollback_goes_further_back(
    ship: Ship, people: People, adopted: Environment, put: Put
) -> None:
    put("segment", "one", '{"name": "One"}')
    ship()
    put("segment", "two", '{"name": "Two"}')
    ship()
    for expected in ({"one"}, set()):
        live = StoredGeneration.live_in(adopted)
        assert live is not None
        finish(rollback(people.admin, adopted, marker=live.marker))
        assert served(adopted, "segment").keys() & {"one", "two"} == expected
    live = StoredGeneration.live_in(adopted)
    assert live is not None
    with pytest.raises(RuleBroken, match="no earlier generation"):
        rollback(people.admin, adopted, marker=live.marker)


def test_the_live_generation_is_locked_until_somebody_unlocks_it_for_a_reason(
    people: People, adopted: Environment, engine: Connection
) -> None:
    index = adopted.naming.concrete("segment")
    with pytest.raises(Refused):
        engine.request("PUT", f"/{index}/_doc/by-hand", body={"name": "x"})
    with pytest.raises(RuleBroken, match="Say why"):
        unlock(people.admin, adopted, " ")
    unlock(people.admin, adopted, "Tracardi needs a licence key")
    engine.request("PUT", f"/{index}/_doc/by-hand", body={"name": "x"})
    lock(people.admin, adopted)
    assert Unlocking.of(adopted) is None
    with pytest.raises(Refused):
        engine.request("PUT", f"/{index}/_doc/by-hand", body={"name": "y"})


def test_known_drift_is_kept_as_a_build_and_overwritten_only_with_consent(
    people: People,
    staging: Environment,
    adopted: Environment,
    engine: Connection,
    put: Put,
) -> None:
    unlock(people.admin, adopted, "An urgent edit")
    engine.request("PUT", f"/{adopted.naming.concrete('rule')}/_doc/hand", body={"name": "x"})
    lock(people.admin, adopted)
    put("segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    ready = prepare(build, adopted)
    assert [finding["code"] for finding in ready.consents_due] == ["drift:rule"]
    drift = Build.objects.get(environment=adopted, kind=Build.Kind.DRIFT)
    assert drift.resources()["rule"].tree.count == len(list(configuration("tracardi-rule"))) + 1
    with pytest.raises(RuleBroken, match="Agree to this first"):
        promote(people.admin, build, adopted, plan_digest=ready.plan_digest)
    made = promote(
        people.admin, build, adopted, plan_digest=ready.plan_digest, consents=["drift:rule"]
    )
    finish(made)
    assert "hand" not in served(adopted, "rule")


def test_who_may_not_and_what_is_not_approved_is_refused_and_changes_nothing(
    people: People, staging: Environment, adopted: Environment, put: Put
) -> None:
    put("segment", "new", '{"name": "New"}')
    build = capture(people.qa, staging)
    with pytest.raises(RuleBroken, match="not reviewed"):
        promote(people.admin, build, adopted, plan_digest="")
    review(people.qa, build, Review.Verdict.APPROVED, content=build.content)
    ready = prepare(build, adopted)
    for actor in (people.qa, people.marketing):
        with pytest.raises(NotAllowedError):
            promote(actor, build, adopted, plan_digest=ready.plan_digest)
        with pytest.raises(NotAllowedError):
            request_release(actor, adopted)
    with pytest.raises(RuleBroken, match="not the one that you confirmed"):
        promote(people.admin, build, adopted, plan_digest="0" * 64)
    assert "new" not in served(adopted, "segment")
    assert not Promotion.objects.filter(kind="promote").exists()


def test_production_edited_after_preparing_makes_the_plan_stale(
    people: People,
    staging: Environment,
    adopted: Environment,
    engine: Connection,
    put: Put,
) -> None:
    put("segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    ready = prepare(build, adopted)
    unlock(people.admin, adopted, "An urgent edit")
    engine.request("PUT", f"/{adopted.naming.concrete('segment')}/_doc/hand", body={"name": "x"})
    with pytest.raises(RuleBroken, match="changed since the plan"):
        promote(people.admin, build, adopted, plan_digest=ready.plan_digest)
    ended = Promotion.objects.filter(kind="promote").get()
    assert ended.status == "failed"
    assert "hand" in served(adopted, "segment")
    # The environment is unlocked, so nothing of the refused promotion may leave it blocked.
    engine.request("PUT", f"/{adopted.naming.concrete('segment')}/_doc/more", body={"name": "x"})


def test_a_mismatch_found_by_verification_swaps_back(
    people: People,
    staging: Environment,
    adopted: Environment,
    engine: Connection,
    put: Put,
) -> None:
    put("segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    ready = prepare(build, adopted)
    made = promote(people.admin, build, adopted, plan_digest=ready.plan_digest)
    assert made.plan is not None
    index = made.plan.changed[0].next_index
    ClusterWriter(engine).unblock([index])
    engine.request("PUT", f"/{index}/_doc/new", body={"name": "tampered"})
    with pytest.raises(Mismatch):
        finish(made)
    made.refresh_from_db()
    assert made.status == "failed"
    assert "new" not in served(adopted, "segment")
    live = StoredGeneration.live_in(adopted)
    assert live is not None
    assert live.number == made.plan.base
    # What a dashboard and the weekly mail say went live.
    assert people.admin.user is not None
    assert made.live_at is not None
    day = timedelta(days=1)
    found = markers(adopted, made.live_at - day, made.live_at + day, people.admin.user)
    assert [one.label for one in found] == ["Adoption", "Promotion, swapped back"]


def test_a_preparation_can_be_cancelled_and_leaves_no_index(
    people: People, staging: Environment, adopted: Environment, put: Put
) -> None:
    put("segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    asked = Promotion.objects.create(
        kind="prepare", environment=adopted, build=build, status="running"
    )
    cancel(people.admin, asked)
    asked.refresh_from_db()
    from promotion.journal import check_cancelled

    with pytest.raises(Aborted):
        check_cancelled(asked)


def test_old_generations_go_and_the_kept_ones_stay(
    ship: Ship, adopted: Environment, put: Put
) -> None:
    for number in range(5):
        put("segment", "s", json.dumps({"name": f"v{number}"}))
        ship()
    # What the worker does after each.
    clean_environment.func(adopted.pk)
    writer = ClusterWriter(connect(adopted.cluster))
    segments = [n for n in indices_of(writer, adopted) if n.endswith("tracardi-segment")]
    assert len(segments) == 3
    assert StoredGeneration.objects.filter(environment=adopted, is_kept=True).count() == 3


def test_release_gives_plain_indices_back_while_a_stale_writer_keeps_writing(
    people: People, adopted: Environment, engine: Connection
) -> None:
    index = adopted.naming.concrete("segment")
    stop, acknowledged = threading.Event(), []

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                engine.request("PUT", f"/{index}/_doc/w{number}", body={"name": f"w{number}"})
            except Refused:
                continue
            acknowledged.append(f"w{number}")

    unlock(people.admin, adopted, "A writer that never stops")
    stale = threading.Thread(target=write)
    stale.start()
    try:
        ended = run_release(request_release(people.admin, adopted))
    finally:
        stop.set()
        stale.join()
    assert ended.status == "succeeded"
    engine.request("PUT", f"/{index}/_doc/after", body={"name": "after"})
    assert served(adopted, "segment").keys() >= {*acknowledged, "after"}
    writer = ClusterWriter(engine)
    states = indices_of(writer, adopted)
    naming = adopted.naming
    for resource in naming.catalogue.promoted:
        state = states[naming.concrete(resource.name)]
        assert state.aliases == (naming.alias(resource.name),)
        assert state.mapping
        assert not state.write_blocked
    assert not [name for name in states if "-g0" in name]
    # And it can be adopted once more.
    assert run_adopt(adopt(people.admin, adopted)).status == "succeeded"
    assert current_preparation(adopted) is None


def test_a_stale_plan_is_made_anew_with_what_was_edited(
    people: People, staging: Environment, adopted: Environment, put: Put, engine: Connection
) -> None:
    put("segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    ready = prepare(build, adopted)
    unlock(people.admin, adopted, "An edit by hand")
    index = adopted.naming.concrete("segment")
    engine.request("PUT", f"/{index}/_doc/by-hand", body={"name": "By hand"})
    with pytest.raises(StalePlan):
        promote(people.admin, build, adopted, plan_digest=ready.plan_digest)
    assert current_preparation(adopted) is None
    # The worker has it to prepare again; here its turn comes now.
    again = prepare(build, adopted)
    codes = [finding["code"] for finding in again.consents_due]
    assert codes == ["drift:segment"]
    made = promote(people.admin, build, adopted, plan_digest=again.plan_digest, consents=codes)
    assert finish(made).status == "succeeded"
    assert served(adopted, "segment").keys().isdisjoint({"by-hand"})


def test_a_rollback_keeps_an_edit_by_hand_as_a_build_and_asks_before_it_overwrites_it(
    ship: Ship, people: People, adopted: Environment, put: Put, engine: Connection
) -> None:
    put("segment", "new", '{"name": "New"}')
    ship()
    unlock(people.admin, adopted, "An edit by hand")
    index = adopted.naming.concrete("rule")
    engine.request("PUT", f"/{index}/_doc/by-hand", body={"name": "By hand"})
    live = StoredGeneration.live_in(adopted)
    assert live is not None
    [finding] = drift_in(adopted)
    with pytest.raises(RuleBroken, match="Agree to this first"):
        rollback(people.admin, adopted, marker=live.marker)
    assert "by-hand" in served(adopted, "rule")
    back = rollback(people.admin, adopted, marker=live.marker, consents=[finding["code"]])
    assert finish(back).status == "succeeded"
    assert "by-hand" not in served(adopted, "rule")
    drift = Build.objects.filter(environment=adopted, kind="drift").first()
    assert drift is not None
    tree = DatabaseContent().tree(drift.resources()["rule"].tree.digest)
    assert "by-hand" in tree.by_id


def test_an_edit_elsewhere_in_an_unlocked_environment_undoes_no_promotion(
    people: People, staging: Environment, adopted: Environment, put: Put, engine: Connection
) -> None:
    unlock(people.admin, adopted, "Edits by hand")
    put("segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    ready = prepare(build, adopted)
    made = promote(people.admin, build, adopted, plan_digest=ready.plan_digest)
    index = adopted.naming.concrete("rule")
    engine.request("PUT", f"/{index}/_doc/by-hand", body={"name": "By hand"})
    assert finish(made).status == "succeeded"
    assert "Rules" in made.steps.get(name="verify").detail
    assert "by-hand" in served(adopted, "rule")


def test_content_that_was_approved_before_is_prepared_without_another_verdict(
    ship: Ship, people: People, staging: Environment, adopted: Environment, put: Put
) -> None:
    put("segment", "s", '{"name": "One"}')
    ship()
    put("segment", "s", '{"name": "Two"}')
    ship()
    put("segment", "s", '{"name": "One"}')
    build = capture(people.qa, staging)
    assert build.same_as is not None
    waiting = Promotion.objects.get(kind="prepare", build=build)
    assert waiting.status == "pending"
    assert newest_approved(adopted) == build


def test_odd_ids_arrive_as_they_are(
    ship: Ship, adopted: Environment, staging: Environment, engine: Connection
) -> None:
    ids = ["a/b", "ü ß", "..", "x" * 512, "line\nbreak", '"quoted"']
    writer = ClusterWriter(engine)
    index = staging.naming.concrete("segment")
    writer.load(index, [(doc_id, b'{"name": "Odd"}') for doc_id in ids])
    assert ship().status == "succeeded"
    assert served(adopted, "segment").keys() >= set(ids)


def test_what_was_edited_by_hand_is_discarded_by_promoting_the_live_build_again(
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    engine: Connection,
) -> None:
    put("segment", "new", '{"name": "New"}')
    build = ship().build
    assert build is not None
    assert not readiness(people.admin, build, adopted).can_prepare
    unlock(people.admin, adopted, "An edit by hand")
    index = adopted.naming.concrete("rule")
    engine.request("PUT", f"/{index}/_doc/by-hand", body={"name": "By hand"})
    assert readiness(people.admin, build, adopted).can_prepare
    waiting = request_preparation(build, adopted, people.admin)
    assert waiting is not None
    ready = run_preparation(waiting)
    codes = [finding["code"] for finding in ready.consents_due]
    made = promote(people.admin, build, adopted, plan_digest=ready.plan_digest, consents=codes)
    assert finish(made).status == "succeeded"
    assert "by-hand" not in served(adopted, "rule")


def test_a_build_that_an_earlier_console_kept_with_learnt_fields_is_prepared(
    people: People, staging: Environment, adopted: Environment, put: Put
) -> None:
    learnt = {"properties": {"traits": {"properties": {"colour": {"type": "keyword"}}}}}
    indices = [side.naming.alias("content") for side in (staging, adopted)]
    engine = connect(staging.cluster)
    engine.request("PUT", f"/{','.join(indices)}/_mapping", body=learnt)
    put("segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    [state] = ClusterWriter(engine).states([staging.naming.alias("content")]).values()
    part = BuildPart.objects.filter(build=build, tree__resource="content")
    # All of the mapping was digested then.
    assert part.update(mapping_digest=digest(state.mapping)) == 1
    assert part.get().mapping_digest != state.mapping_digest
    assert prepare(build, adopted).status == "succeeded"

    # Of other mappings it is refused as ever.
    part.update(mapping_digest=digest({**state.mapping, "dynamic": "false"}))
    with pytest.raises(PreflightFailed, match="then capture again"):
        check_build(build, look(ClusterWriter(engine), adopted), adopted)
