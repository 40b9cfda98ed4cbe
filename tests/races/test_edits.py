"""Somebody edits staging while it is captured, or production while it is promoted to."""

import json

import pytest

from environments.elastic import connect
from promotion.engine.errors import CaptureUnsettled, PromotionError, StalePlan
from promotion.live import finish
from promotion.models import Build, Promotion, StoredGeneration
from promotion.preparing import prepare
from promotion.rollback import drift_in, rollback
from promotion.services import capture
from tests import factories
from tests.faults.proxy import Proxy
from tests.faults.scenes import last
from tests.faults.world import Content, World
from tests.races.at_once import when
from tests.races.writer import Editor, stored

pytestmark = pytest.mark.django_db
SEARCH = r"POST /08x\.[^?]*{}/_search"


@pytest.fixture
def staging_editor(world: World, elasticsearch_url: str) -> Editor:
    return Editor(elasticsearch_url, world.staging)


@pytest.fixture
def editor(world: World, elasticsearch_url: str) -> Editor:
    return Editor(elasticsearch_url, world.production)


# --- Staging, during a capture -------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before a read", "after a read"])
def test_a_capture_is_of_one_moment_whatever_is_edited_between_its_reads(
    world: World, old: Content, proxy: Proxy, staging_editor: Editor, after: bool
) -> None:
    world.touch()
    staging_editor.write("rule", "goes", "It will be deleted")
    rules = world.staging.naming.concrete("rule")

    def edit() -> None:
        # One index that was read already, one that is read just now, one that is not yet due.
        assert staging_editor.next("rule", "segment", "flow")
        engine = connect(world.staging.cluster)
        engine.request("DELETE", f"/{rules}/_doc/goes", params={"refresh": "false"})

    with when(proxy, SEARCH.format("segment"), edit, after=after):
        build = capture(world.people.qa, world.staging)
    assert stored(build) == world.staged()
    assert "goes" not in stored(build)["rule"]


def test_a_capture_that_is_edited_under_each_read_says_so_and_keeps_nothing(
    world: World, old: Content, proxy: Proxy, staging_editor: Editor
) -> None:
    world.touch()
    builds = Build.objects.count()
    with (
        when(proxy, SEARCH.format(""), lambda: staging_editor.next("segment"), times=1000),
        pytest.raises(CaptureUnsettled, match="Nothing was captured"),
    ):
        capture(world.people.qa, world.staging)
    assert Build.objects.count() == builds


def test_what_two_resources_say_of_one_edit_is_captured_together_or_not_at_all(
    world: World, old: Content, elasticsearch_url: str
) -> None:
    """A writer saves one revision to a rule, then to a segment, over and over."""
    world.touch()
    editor = Editor(elasticsearch_url, world.staging)
    pair = Editor(elasticsearch_url, world.staging, doc_id="pair")
    kept = 0
    pair.next("rule", "segment")
    with pair.writing("rule", "segment") as may:
        for _ in range(30):
            may.set()
            editor.next("flow")
            try:
                build = capture(world.people.qa, world.staging)
            except CaptureUnsettled:
                # Let the next one fall into a pause, at whatever point of the pair it comes.
                may.clear()
                build = capture(world.people.qa, world.staging)
            found = stored(build)
            one, two = (
                int(json.loads(found[name]["pair"])["name"][1:]) for name in ("rule", "segment")
            )
            assert one - two in {0, 1}, f"The rule is of revision {one}, the segment of {two}."
            kept += 1
            if kept == 6:
                break


# --- Production, between plan and switch, and while it is switched -------------------------------

# At each of these, and before and after the engine did it, a write is acknowledged or refused.
REQUESTS = {
    "the fence": r"GET /.*/_stats/docs",
    "the block": r"PUT /.*/_block/write",
    "the switch": r"POST /_aliases",
    "reading back": r"POST /.*/_search",
    "opening": r"PUT /.*/_settings",
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("request_", REQUESTS)
def test_a_write_at_any_moment_of_a_promotion_is_refused_or_kept(
    world: World, old: Content, proxy: Proxy, editor: Editor, request_: str, after: bool
) -> None:
    ready = world.prepared()
    world.unlocked()
    with when(proxy, REQUESTS[request_], lambda: editor.next("segment", "flow"), after=after):
        try:
            made = finish(world.promote(ready))
        except StalePlan:
            made = last(world, "promote")
    now = world.served()
    assert all(now[name].get(key) == raw for (name, key), raw in editor.acknowledged.items())
    # What is edited by hand in a resource that changes makes the plan stale; elsewhere too.
    assert made.status == ("failed" if _is_old(now, old) else "succeeded"), made.message


def _is_old(now: Content, old: Content) -> bool:
    return now["rule"] == old["rule"]


def test_no_acknowledged_write_of_a_writer_that_never_stops_is_lost(
    world: World, old: Content, proxy: Proxy, editor: Editor
) -> None:
    world.unlocked()
    ends: list[str] = []
    # When the writer goes on: before the fence, under the block, or after the switch.
    turns = (None, r"PUT /.*/_block/write", r"POST /_aliases", r"PUT /.*/_settings")
    with editor.writing("segment", "flow") as may:
        for turn in (*turns, "back"):
            world.touch()
            build = factories.approved(world.people, world.staging)
            may.clear()
            ready = prepare(build, world.production)
            if turn is None:
                may.set()
                ends.append(_end(world, ready))
            elif turn == "back":
                may.set()
                ends.append(_back(world))
            else:
                with when(proxy, turn, may.set):
                    ends.append(_end(world, ready))
            may.set()
            _lost_nothing(world, editor)
    _lost_nothing(world, editor)
    assert {"succeeded", "stale-plan"} <= set(ends), ends
    assert editor.refused > 0


def _end(world: World, ready: Promotion) -> str:
    try:
        return str(finish(world.promote(ready)).status)
    except PromotionError as error:
        return error.code


def _back(world: World) -> str:
    live = StoredGeneration.live_in(world.production)
    assert live is not None
    consents = [finding["code"] for finding in drift_in(world.production)]
    admin = world.people.admin
    try:
        made = rollback(admin, world.production, marker=live.marker, consents=consents)
        return str(finish(made).status)
    except PromotionError as error:
        return error.code


def _lost_nothing(world: World, editor: Editor) -> None:
    """Each acknowledged write is served, or was kept as a build of drift."""
    written = dict(editor.acknowledged)
    now = {name: factories.served(world.production, name) for name in ("segment", "flow")}
    kept = [stored(b) for b in Build.objects.filter(environment=world.production, kind="drift")]
    lost = [
        key
        for key, raw in written.items()
        if not any(held[key[0]].get(key[1]) == raw for held in (now, *kept))
    ]
    assert not lost
