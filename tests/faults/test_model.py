"""Random acts of everybody, crashes among them: production is always what the console says it is.

`MODEL_EXAMPLES` and `MODEL_STEPS` make it longer; what failed is printed as a program of its rules.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from environments.elastic import Refused
from promotion.adoption import adopt, run_adopt
from promotion.beginning import cancel
from promotion.cleaning import clean_up
from promotion.drift import check
from promotion.engine.errors import PromotionError
from promotion.engine.manifest import Manifest, Tree, TreeDigests, describe
from promotion.live import finish
from promotion.locking import lock, unlock
from promotion.models import Build, Drift, Promotion, Review, StoredGeneration, Unlocking
from promotion.preparing import current_preparation, newest_approved, prepare, request_preparation
from promotion.reconciling import reconcile, run_reconcile, survey
from promotion.rehearsing import request_rehearsal, run_rehearsal
from promotion.releasing import request_release, run_release
from promotion.services import capture, review
from promotion.settling import discard, keep
from tests import factories
from tests.backups import Backups
from tests.faults.conftest import Worlds
from tests.faults.killing import NotKilled, die_at
from tests.faults.points import POINTS
from tests.faults.world import World
from tests.tally import STEPS_TRIED

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "3"))
STEPS = int(os.environ.get("MODEL_STEPS", "20"))
LIMIT = 10_000_000

resources = st.sampled_from(["rule", "segment", "flow", "event-source"])
ids = st.sampled_from(["one", "two"])
names = st.sampled_from(["A", "B", None])
tried: dict[str, int] = {}


def source(name: str) -> str:
    return json.dumps({"name": name})


class Console(RuleBasedStateMachine):
    """Both sets and three people. Rules do what a page or the command line does.

    The sets outlive an example, so no rule has a precondition: the same draws must find the same
    rules. What takes an adoption adopts first; one that has nothing to do is not counted.
    """

    worlds: ClassVar[Worlds]
    folder: ClassVar[str]
    # What a lost database had prepared: newer than what is live, so that it may be another
    # console's, and stays until something newer is live (docs/recovery.md).
    doubtful: ClassVar[set[str]] = set()

    @initialize(adopted=st.booleans())
    def begin(self, adopted: bool) -> None:
        self.world: World = self.worlds.get()
        self.backups = Backups(Path(self.folder))
        self.backup: Path | None = None
        self.world.plain()
        self.world.work()
        if adopted:
            self.adopt()

    def teardown(self) -> None:
        self.world.next_worker()

    def tried(self, what: str) -> None:
        tried[what] = tried.get(what, 0) + 1
        event(what)

    def _try(self, what: str, act: Callable[[], object]) -> Any:
        """Do what a rule of the console may refuse in this state; then nothing may be changed."""
        self.tried(what)
        try:
            return act()
        except PromotionError:
            event(f"{what}: refused")
            return None

    @property
    def adopted(self) -> bool:
        return StoredGeneration.live_in(self.world.production) is not None

    # --- Staging ------------------------------------------------------------------------------

    @rule(resource=resources, doc_id=ids, name=names)
    def edit_staging(self, resource: str, doc_id: str, name: str | None) -> None:
        self.tried("edit staging")
        self._write(self.world.staging, resource, doc_id, name)

    def _write(self, environment: Any, resource: str, doc_id: str, name: str | None) -> None:
        if name is None:
            self.world.writer.erase(environment.naming.concrete(resource), [doc_id])
        else:
            factories.put(environment, resource, doc_id, source(name))

    @rule()
    def capture_staging(self) -> None:
        self._try("capture", lambda: capture(self.world.people.qa, self.world.staging))

    @rule(verdict=st.sampled_from([*Review.Verdict, Review.Verdict.APPROVED]))
    def review_newest(self, verdict: Review.Verdict) -> None:
        build = Build.objects.filter(kind__in=["capture", "drift"]).first()
        if build is None:
            return
        self._try(
            verdict.value,
            lambda: review(
                self.world.people.qa, build, verdict, content=build.content, comment="Tried"
            ),
        )

    # --- Production ---------------------------------------------------------------------------

    @rule()
    def adopt(self) -> None:
        if self.adopted:
            return
        world = self.world
        self._try("adopt", lambda: run_adopt(adopt(world.people.admin, world.production)))

    @rule()
    def release(self) -> None:
        if not self.adopted:
            self.adopt()
            return
        world = self.world
        self._try(
            "release", lambda: run_release(request_release(world.people.admin, world.production))
        )

    def _promote(self, *, verify: bool) -> Promotion | None:
        ready = current_preparation(self.world.production)
        if ready is None:
            return None
        made = self.world.promote(ready)
        return finish(made) if verify else made

    @rule(verify=st.booleans())
    def promote(self, verify: bool) -> None:
        self.world.work()
        self._try("promote", lambda: self._promote(verify=verify))
        if not verify:
            # The worker does.
            self.world.work()

    @rule()
    def prepare_and_cancel(self) -> None:
        if not self.adopted:
            self.adopt()
            return
        build = newest_approved(self.world.production)
        if build is None:
            return
        admin = self.world.people.admin
        waiting = request_preparation(build, self.world.production, admin)
        if waiting is not None:
            self._try("cancel", lambda: cancel(admin, waiting))
            waiting.refresh_from_db()
            assert waiting.status == Promotion.Status.ABORTED
        self.world.work()

    @rule()
    def roll_back(self) -> None:
        if not self.adopted:
            self.adopt()
            return
        world = self.world
        live = StoredGeneration.live_in(world.production)
        if live is not None and live.previous is not None:
            self._try("roll back", lambda: finish(world.roll_back()))

    @rule()
    def unlock(self) -> None:
        if not self.adopted:
            self.adopt()
            return
        world = self.world
        self._try("unlock", lambda: unlock(world.people.admin, world.production, "Tried"))

    @rule()
    def lock(self) -> None:
        if not self.adopted:
            self.adopt()
            return
        world = self.world
        self._try("lock", lambda: lock(world.people.admin, world.production))
        world.work()

    @rule(resource=resources, doc_id=ids, name=names)
    def edit_production(self, resource: str, doc_id: str, name: str | None) -> None:
        self.tried("edit production")
        production = self.world.production
        locked = self.adopted and Unlocking.of(production) is None
        try:
            self._write(production, resource, doc_id, name)
        except (Refused, PromotionError):
            # What went live and is not proved yet takes no edit either, unlocked or not.
            going_on = Promotion.objects.filter(environment=production, live_at__isnull=False)
            assert locked or going_on.filter(status__in=Promotion.ACTIVE).exists()
        else:
            assert not locked

    @rule(resource=resources, name=st.sampled_from("AB"))
    def edit_past_the_block(self, resource: str, name: str) -> None:
        if not self.adopted:
            self.adopt()
            return
        self.tried("edit past the block")
        live = StoredGeneration.live_in(self.world.production)
        assert live is not None
        index = live.generation.resources[resource].index
        self.world.writer.unblock([index])
        self._write(self.world.production, resource, "one", name)
        if Unlocking.of(self.world.production) is None:
            self.world.writer.block([index])

    @rule(way=st.sampled_from([keep, discard]))
    def settle(self, way: Callable[..., Any]) -> None:
        world, drift = self.world, Drift.open_in(self.world.production)
        if drift is None:
            return
        made = self._try(
            way.__name__, lambda: way(world.people.admin, world.production, drift.content)
        )
        if isinstance(made, Promotion):
            finish(made)

    @rule()
    def rehearse(self) -> None:
        if not self.adopted:
            self.adopt()
            return
        world, build = self.world, newest_approved(self.world.production)
        if build is not None:
            self._try(
                "rehearse",
                lambda: run_rehearsal(
                    request_rehearsal(world.people.admin, build, world.production)
                ),
            )

    # --- A lost database ----------------------------------------------------------------------

    @rule()
    def back_up(self) -> None:
        self.tried("back up")
        self.backup = self.backups.take()

    @rule()
    def restore_and_reconcile(self) -> None:
        """The database is as it was at the backup; the cluster has gone on."""
        if self.backup is None:
            return
        self.tried("restore and reconcile")
        world = self.world
        self.backups.restore(self.backup)
        self._try("reconcile", self._reconcile)
        seen = survey(world.writer, world.production)
        self.doubtful.update(seen.left.doubtful)
        world.next_worker()
        assert survey(world.writer, world.production).finding is None

    @rule()
    def remove_leftovers(self) -> None:
        """What is older than what went live since is surely dead, and goes."""
        if not self.doubtful:
            return
        self.tried("remove leftovers")
        self.world.work()
        self._reconcile()
        left = survey(self.world.writer, self.world.production).left
        assert left.dead == ()
        self.doubtful.intersection_update(left.doubtful)

    def _reconcile(self) -> None:
        begun = reconcile(self.world.people.admin, self.world.production, clean=True)
        if begun is not None:
            run_reconcile(begun)

    @rule()
    def let_the_worker_work(self) -> None:
        self.world.work()

    # --- Crashes ------------------------------------------------------------------------------

    @rule(
        act=st.sampled_from(["adopt", "release", "prepare", "promote", "roll back"]), data=st.data()
    )
    def crash(self, act: str, data: st.DataObject) -> None:
        """Kill a process at a moment of its work; if it never came to that, it did it all."""
        moments = sorted(
            {moment for name, of in POINTS.items() if name.startswith(act) for moment in of}
        )
        moment = data.draw(st.sampled_from(moments or sorted(POINTS["promote locked"])))
        world = self.world
        admin, production = world.people.admin, world.production

        def work() -> object:
            if act == "adopt":
                return run_adopt(adopt(admin, production))
            if act == "release":
                return run_release(request_release(admin, production))
            if act == "prepare":
                build = newest_approved(production)
                return prepare(build, production) if build is not None else None
            if act == "promote":
                return self._promote(verify=True)
            return finish(world.roll_back())

        self.tried(f"crash while {act}")
        with tempfile.TemporaryDirectory() as folder:
            try:
                die_at(moment, work, Path(folder) / "errors")
            except NotKilled:
                event("crash: not reached")
        world.next_worker()

    # --- What must hold after each of them ----------------------------------------------------

    @invariant()
    def each_block_is_as_the_console_says(self) -> None:
        if not hasattr(self, "world") or not self.adopted:
            return
        if Promotion.objects.filter(status__in=Promotion.ACTIVE).exists():
            return
        live = StoredGeneration.live_in(self.world.production)
        assert live is not None
        indices = [held.index for held in live.generation.resources.values()]
        states = self.world.writer.states(indices)
        locked = Unlocking.of(self.world.production) is None
        wrong = [name for name in indices if states[name].write_blocked != locked]
        assert wrong == [], f"locked is {locked}"

    @invariant()
    def production_is_what_the_console_says(self) -> None:
        if not hasattr(self, "world"):
            return
        world, production = self.world, self.world.production
        assert world._protected() == world.protected
        self._each_name_has_one_index()
        now = _content(world)
        live = StoredGeneration.live_in(production)
        if live is None or Promotion.objects.filter(status__in=Promotion.ACTIVE).exists():
            return
        build = live.build
        approved = build.review is not None and build.review.verdict == Review.Verdict.APPROVED
        # What reconcile found was approved by nobody that this database knows of, be it equal to
        # an edit by hand that was kept once.
        assert approved or live.is_found or build.kind == Build.Kind.BASELINE
        check(production, close=True)
        drift = Drift.open_in(production)
        if drift is None:
            assert now == build.content
        else:
            assert now == drift.content != build.content
        for made in Promotion.objects.filter(environment=production).exclude(receipt=None)[:3]:
            assert made.status not in Promotion.ACTIVE

    def _each_name_has_one_index(self) -> None:
        naming, writer = self.world.production.naming, self.world.writer
        states = writer.states([*naming.search_patterns(), naming.marker_pattern])
        for resource in naming.catalogue.promoted:
            for name in (naming.alias(resource.name), naming.concrete(resource.name)):
                holders = [s.name for s in states.values() if name in {*s.aliases, s.name}]
                assert len(holders) == 1, f"{name} is {holders}"

    @invariant()
    def nothing_is_left_behind(self) -> None:
        if not hasattr(self, "world") or not self.adopted:
            return
        if not Promotion.objects.filter(status__in=Promotion.ACTIVE).exists():
            clean_up(self.world.writer, self.world.production)
            assert self.world._leftovers() <= self.doubtful


def _content(world: World) -> str:
    """Return the content digest of what production serves, computed from its documents alone."""
    trees = {
        resource: Tree.of(
            resource,
            [describe(resource, doc_id, raw, limit=LIMIT) for doc_id, raw in documents.items()],
        )
        for resource, documents in world.served().items()
    }
    return Manifest({name: TreeDigests.of(tree) for name, tree in trees.items()}).content


def test_production_is_always_what_the_console_says(
    worlds: Worlds, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    Console.worlds, Console.folder = worlds, str(tmp_path)
    Console.doubtful.clear()
    try:
        run_state_machine_as_test(
            Console,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                # A run takes seconds, and what another one left is part of the next: one that
                # failed is told as it was, not made smaller.
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
            # Left alone, Hypothesis tries programs of a step or two first, and then time is up.
            _min_steps=STEPS // 2,
        )
    finally:
        worlds.end()
        record_property(STEPS_TRIED, sum(tried.values()))
    assert sum(tried.values()) >= EXAMPLES
