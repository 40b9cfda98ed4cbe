"""Selective promotion: a build of what production serves and some changes, to the byte."""

import json
from typing import Any

import pytest

from accounts.audit import command_actor, system_actor
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.documents import encode_field
from environments.elastic import Connection
from environments.models import Environment
from promotion.composing import MOVED, compose_build, draft
from promotion.engine.compose import Choice
from promotion.engine.errors import PreflightFailed, RuleBroken
from promotion.live import finish
from promotion.models import Build, Promotion, Review, StoredGeneration
from promotion.preparing import newest_approved, prepare
from promotion.promotions import promote
from promotion.rollback import rollback
from promotion.services import capture, review
from promotion.store import DatabaseContent
from tests.data import configuration
from tests.factories import People, served
from tests.promotion.conftest import Put
from tests.promotion.test_review import run

pytestmark = pytest.mark.django_db
Served = dict[str, dict[str, bytes]]
APPROVED = Review.Verdict.APPROVED
SEGMENT = b'{"name": "Loyal!",  "enabled": true, "machine_name": "loyal"}'


def everything(environment: Environment) -> Served:
    return {r.name: served(environment, r.name) for r in environment.catalogue.promoted}


def of(*keys: str) -> Choice:
    pairs = (key.split("/", 1) for key in keys)
    return Choice(documents=frozenset((resource, doc_id) for resource, doc_id in pairs))


def go_live(people: People, build: Build, target: Environment) -> Promotion:
    """Approve, prepare, promote and verify a build."""
    if build.review is None:
        review(people.qa, build, APPROVED, content=build.content)
    ready = prepare(build, target)
    consents = [finding["code"] for finding in ready.consents_due]
    made = promote(people.admin, build, target, plan_digest=ready.plan_digest, consents=consents)
    done = finish(made)
    assert done.status == "succeeded"
    return done


@pytest.fixture
def edits(put: Put, staging: Environment, engine: Connection) -> Served:
    """Edits of staging, as they are written: a new rule with all it needs, others, a deletion."""
    graph = {"nodes": [{"data": {"spec": {"init": {"source": {"id": "res-new", "name": "N"}}}}}]}
    credentials = {"production": {"password": "p"}, "test": {"password": "t"}}
    rule: dict[str, Any] = json.loads(dict(configuration("tracardi-rule"))["rule-purchase"])
    rule |= {"id": "rule-new", "name": "New rule", "flow": {"id": "flow-new", "name": "New flow"}}
    flow = {"id": "flow-new", "name": "New flow", "production": encode_field({"flowGraph": graph})}
    held = {"id": "res-new", "name": "New CRM", "credentials": encode_field(credentials)}
    other = {
        **json.loads(dict(configuration("tracardi-flow"))["flow-purchase"]),
        "description": "!",
    }
    written: Served = {
        "rule": {"rule-new": json.dumps(rule, indent=1).replace("\n", "").encode()},
        "flow": {
            "flow-new": json.dumps(flow).encode(),
            "flow-purchase": json.dumps(other).encode(),
        },
        "resource": {"res-new": json.dumps(held).encode()},
        "segment": {"seg-loyal": SEGMENT},
    }
    for resource, found in written.items():
        for doc_id, raw in found.items():
            put(resource, doc_id, raw.decode())
    engine.request("DELETE", f"/{staging.naming.concrete('rule')}/_doc/rule-page")
    return written


@pytest.fixture
def build(people: People, adopted: Environment, edits: Served, staging: Environment) -> Build:
    return capture(people.qa, staging)


def test_excluding_a_deletion_leaves_that_document_and_takes_the_rest(
    people: People, adopted: Environment, build: Build, edits: Served
) -> None:
    before = everything(adopted)
    whole = frozenset({"rule", "flow", "resource", "segment"})
    choice = Choice(whole=whole, without=frozenset({("rule", "rule-page")}))
    go_live(people, compose_build(people.qa, build, choice), adopted)
    assert everything(adopted) == {n: {**found, **edits.get(n, {})} for n, found in before.items()}
    assert "rule-page" in served(adopted, "rule")


def test_a_single_rule_comes_with_its_flow_and_its_resource_and_nothing_else(
    people: People, adopted: Environment, build: Build, edits: Served
) -> None:
    before = everything(adopted)
    made = compose_build(people.qa, build, of("rule/rule-new"))
    assert made.choice is not None
    assert made.choice["chosen"] == [["rule", "rule-new"]]
    assert made.choice["added"] == [
        {"key": ["flow", "flow-new"], "because": [["rule", "rule-new", False]]},
        {"key": ["resource", "res-new"], "because": [["flow", "flow-new", False]]},
    ]
    go_live(people, made, adopted)
    taken = {"rule": "rule-new", "flow": "flow-new", "resource": "res-new"}
    expected = {n: dict(found) for n, found in before.items()}
    for resource, doc_id in taken.items():
        expected[resource][doc_id] = edits[resource][doc_id]
    assert everything(adopted) == expected


def test_two_selective_promotions_after_each_other_and_the_rest_make_the_build(
    people: People, adopted: Environment, build: Build, edits: Served
) -> None:
    before = everything(adopted)
    go_live(people, compose_build(people.qa, build, of("segment/seg-loyal")), adopted)
    first = {**before, "segment": {**before["segment"], **edits["segment"]}}
    assert everything(adopted) == first
    go_live(people, compose_build(people.qa, build, of("flow/flow-purchase")), adopted)
    purchase = {"flow-purchase": edits["flow"]["flow-purchase"]}
    assert everything(adopted) == {**first, "flow": {**first["flow"], **purchase}}
    rest = Choice(whole=frozenset({"rule", "flow", "resource"}))
    last = compose_build(people.qa, build, rest)
    # What is left makes just what was captured: a verdict on one holds for both.
    assert (last.content, last.same_as) == (build.content, build)
    go_live(people, last, adopted)
    expected = {n: {**found, **edits.get(n, {})} for n, found in before.items()}
    del expected["rule"]["rule-page"]
    assert everything(adopted) == expected


def test_a_composed_build_whose_base_is_not_live_any_more_is_refused_everywhere(
    people: People, adopted: Environment, build: Build, staging: Environment
) -> None:
    early = compose_build(people.qa, build, of("segment/seg-loyal"))
    waiting = compose_build(people.qa, build, of("flow/flow-purchase"))
    review(people.qa, early, APPROVED, content=early.content)
    go_live(people, compose_build(people.qa, build, of("rule/rule-new")), adopted)
    words = "serves another configuration than the one that Staging build 2 was composed on"
    with pytest.raises(RuleBroken, match=words):
        promote(people.admin, early, adopted, plan_digest="0" * 64)
    with pytest.raises(PreflightFailed, match="Compose it again") as caught:
        prepare(early, adopted)
    assert [found.code for found in caught.value.findings] == ["composed-on-another"]
    with pytest.raises(RuleBroken, match="Compose it again"):
        review(people.qa, waiting, APPROVED, content=waiting.content)
    # It is not prepared again and again, and it is right once more after a rollback.
    assert newest_approved(adopted) != early
    live = StoredGeneration.live_in(adopted)
    assert live is not None
    finish(rollback(people.admin, adopted, marker=live.marker))
    go_live(people, early, adopted)


def test_composed_again_with_the_same_choice_it_goes_live(
    people: People, adopted: Environment, build: Build, edits: Served
) -> None:
    early = compose_build(people.qa, build, of("segment/seg-loyal"))
    go_live(people, compose_build(people.qa, build, of("rule/rule-new")), adopted)
    assert early.choice is not None
    again = compose_build(people.qa, build, Choice.from_dict(early.choice))
    go_live(people, again, adopted)
    assert served(adopted, "segment")["seg-loyal"] == SEGMENT
    assert "rule-new" in served(adopted, "rule")


def test_what_was_composed_is_never_taken_for_what_staging_holds(
    people: People, adopted: Environment, build: Build, staging: Environment, put: Put
) -> None:
    compose_build(people.qa, build, of("segment/seg-loyal"))
    put("content", "content-new", '{"id": "content-new"}')
    after = capture(people.qa, staging)
    assert after.kind == Build.Kind.CAPTURE
    parts = after.resources()
    for resource in staging.catalogue.promoted:
        tree = DatabaseContent().tree(parts[resource.name].tree.digest)
        assert {e.id for e in tree.entries} == set(served(staging, resource.name))
    event = AuditEvent.objects.get(object_type="build", object_id=str(after.pk))
    assert event.detail["read"] == ["content"]


def test_what_changes_nothing_is_refused(
    people: People, adopted: Environment, build: Build
) -> None:
    nothing = Choice(
        documents=frozenset({("segment", "seg-loyal")}),
        without=frozenset({("segment", "seg-loyal")}),
    )
    for choice in (Choice(), nothing):
        with pytest.raises(RuleBroken, match="what Production serves already"):
            compose_build(people.qa, build, choice)
    assert Build.objects.filter(kind="composed").count() == 0


def test_a_choice_of_what_does_not_change_and_a_stale_one_are_refused(
    people: People, adopted: Environment, build: Build
) -> None:
    with pytest.raises(RuleBroken, match="rule/rule-purchase: no such change"):
        compose_build(people.qa, build, of("rule/rule-purchase"))
    with pytest.raises(RuleBroken) as caught:
        compose_build(people.qa, build, of("segment/seg-loyal"), "0" * 64)
    assert str(caught.value) == MOVED
    assert AuditEvent.objects.filter(action="build.compose", outcome="refused").count() == 2


def test_only_who_may_capture_and_see_production_composes(
    people: People, adopted: Environment, build: Build, staging: Environment
) -> None:
    choice = of("segment/seg-loyal")
    with pytest.raises(NotAllowedError, match="may not capture"):
        compose_build(people.marketing, build, choice)
    password = "a long enough phrase 7"
    half = create_user(system_actor(), username="half", role=Role.QA, password=password)
    grant(system_actor(), half, staging)
    with pytest.raises(NotAllowedError, match="may not see builds in Production"):
        compose_build(command_actor(half), build, choice)
    assert compose_build(people.admin, build, choice).captured_by == people.admin.user


def test_four_eyes_hold_for_a_composed_build(
    people: People, adopted: Environment, build: Build
) -> None:
    made = compose_build(people.admin, build, of("segment/seg-loyal"))
    with pytest.raises(NotAllowedError):
        review(people.admin, made, APPROVED, content=made.content)
    with pytest.raises(RuleBroken, match="not reviewed"):
        promote(people.admin, made, adopted, plan_digest="0" * 64)
    # Who approved the whole has not approved a part of it.
    review(people.qa, build, APPROVED, content=build.content)
    assert made.review is None


def test_what_the_audit_trail_keeps_of_a_composition(
    people: People, adopted: Environment, build: Build
) -> None:
    made = compose_build(people.qa, build, of("rule/rule-new"))
    event = AuditEvent.objects.get(action="build.compose", object_id=str(made.pk))
    assert event.detail == {
        "from": "staging:1",
        "on": 1,
        "chosen": ["rule/rule-new"],
        "added": ["flow/flow-new", "resource/res-new"],
    }


def test_left_out_of_what_is_needed_it_dangles_and_cannot_be_approved(
    people: People, adopted: Environment, build: Build
) -> None:
    choice = Choice(
        documents=frozenset({("rule", "rule-new")}), without=frozenset({("flow", "flow-new")})
    )
    held = draft(build)
    assert [found.code for found in held.findings(held.compose(choice))] == [
        "missing-reference:flow/flow-new"
    ]
    made = compose_build(people.qa, build, choice)
    with pytest.raises(RuleBroken, match="Flow “New flow” is missing"):
        review(people.qa, made, APPROVED, content=made.content)


def test_there_is_nothing_to_compose_where_nothing_is_adopted_or_nobody_reviews(
    people: People, staging: Environment, production: Environment
) -> None:
    build, other = capture(people.qa, staging), capture(people.admin, production)
    for one in (build, other):
        with pytest.raises(RuleBroken, match="not adopted"):
            compose_build(people.admin, one, of("segment/seg-loyal"))
    staging.promotes_to = None
    staging.save()
    with pytest.raises(RuleBroken, match="promotes to no production"):
        compose_build(people.qa, capture(people.qa, staging), of("segment/seg-loyal"))
    with pytest.raises(RuleBroken, match="No staging environment promotes to Production"):
        compose_build(people.admin, other, of("segment/seg-loyal"))


@pytest.mark.usefixtures("build")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--document", "rule/rule-new"], 0, "1 chosen and 2 that they need"),
        (["--resource", "rule", "--exclude", "rule/rule-page"], 0, "1 chosen and 2 that"),
        ([], 3, "Nothing is chosen"),
        (["--resource", "nonsense"], 2, "changes nothing in production called nonsense"),
        (["--document", "rule/nothing"], 2, "called rule/nothing"),
        (["--document", "rule"], 2, "RESOURCE/ID"),
    ],
)
def test_the_command_composes(words: list[str], code: int, message: str) -> None:
    got, answer = run("compose", "staging:1", *words, "--as", "qa")
    assert got == code
    assert message in answer["message"]
    if not code:
        assert answer["build"] == "staging:2"
        assert [one["document"] for one in answer["added"]] == ["flow/flow-new", "resource/res-new"]


@pytest.mark.usefixtures("build")
def test_the_command_is_refused_to_whom_it_is_not_for() -> None:
    got, answer = run("compose", "staging:1", "--resource", "rule", "--as", "marketing")
    assert (got, answer["status"]) == (3, "refused")
