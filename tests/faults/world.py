"""A staging and a production set that live on from one crash to the next."""

import json
import time
from collections.abc import Mapping
from unittest.mock import patch

from django.conf import settings
from django.core.management import call_command

from environments.elastic import connect
from environments.models import Environment
from environments.naming import NameKind
from promotion import batches, claim, recovery
from promotion.adoption import adopt, run_adopt
from promotion.cleaning import clean_up
from promotion.live import finish
from promotion.locking import lock, unlock
from promotion.lost import check
from promotion.models import Build, Promotion, StoredGeneration, Unlocking
from promotion.preparing import current_preparation, prepare
from promotion.promotions import promote
from promotion.recovery import recover
from promotion.releasing import request_release, run_release
from promotion.rollback import rollback
from promotion.writer import ClusterWriter
from tests import factories

Content = Mapping[str, Mapping[str, bytes]]


class World:
    """Both sets, and the people; every state is reached by the services."""

    def __init__(self, url: str) -> None:
        self.staging = factories.make_staging(url)
        self.production = factories.make_production(self.staging)
        self.people = factories.make_people(self.staging, self.production)
        self.writer = ClusterWriter(connect(self.staging.cluster))
        self.protected = self._protected()
        self._changes = 0

    def close(self) -> None:
        """Delete what was made in the engine."""
        for environment in (self.staging, self.production):
            factories.remove(environment, self.writer.connection)

    # --- States -------------------------------------------------------------------------------

    def plain(self) -> None:
        """Production has Tracardi's own indices."""
        if StoredGeneration.live_in(self.production) is not None:
            run_release(request_release(self.people.admin, self.production))

    def adopted(self) -> None:
        """Production serves a generation, is locked, and everything is at rest."""
        self.work()
        if Unlocking.of(self.production) is not None:
            lock(self.people.admin, self.production)
        if StoredGeneration.live_in(self.production) is None:
            run_adopt(adopt(self.people.admin, self.production))
        self.work()

    def approved(self) -> Build:
        """Staging changed in two resources since, and QA approved that."""
        self.adopted()
        self.touch()
        return factories.approved(self.people, self.staging)

    def prepared(self) -> Promotion:
        """What was approved is prepared."""
        return prepare(self.approved(), self.production)

    def again(self) -> Promotion:
        """What the worker prepared anew, after an attempt that was given up."""
        ready = current_preparation(self.production)
        assert ready is not None
        return ready

    def switched(self) -> Promotion:
        """What was prepared is live, and not verified."""
        return self.promote(self.prepared())

    def promoted(self) -> Promotion:
        """What was prepared is live and verified."""
        made = finish(self.switched())
        self.work()
        return made

    def unlocked(self) -> None:
        """Production may be edited by hand."""
        unlock(self.people.admin, self.production, "For a test")

    # --- Acts ---------------------------------------------------------------------------------

    def touch(self) -> None:
        """Change staging in two resources."""
        self._changes += 1
        for resource in ("segment", "rule"):
            body = json.dumps({"name": f"change {self._changes}"})
            factories.put(self.staging, resource, "changing", body)

    def promote(self, ready: Promotion) -> Promotion:
        assert ready.build is not None
        consents = [finding["code"] for finding in ready.consents_due]
        return promote(
            self.people.admin,
            ready.build,
            self.production,
            plan_digest=ready.plan_digest,
            consents=consents,
        )

    def roll_back(self) -> Promotion:
        live = StoredGeneration.live_in(self.production)
        assert live is not None
        return rollback(self.people.admin, self.production, marker=live.marker)

    def edit(self, index: str, doc_id: str, name: str) -> None:
        """Write to a generation's index past its block, as the engine's administrator might."""
        raw = json.dumps({"name": name}).encode()
        factories.edit_past_the_block(self.writer, index, doc_id, raw)

    # --- Afterwards ---------------------------------------------------------------------------

    def next_worker(self) -> None:
        """Let a lease time pass, and another worker look and do what is due."""
        # It has never seen any claim.
        recovery._sightings.clear()
        claim._seen.clear()
        batches._sightings.clear()
        for passed in (0.0, settings.LEASE_SECONDS):

            def later(passed: float = passed) -> float:
                return time.monotonic() + passed

            with patch.object(recovery, "clock", later), patch.object(claim, "clock", later):
                recover()
        self.work()

    @staticmethod
    def work() -> None:
        """Run what is queued for the worker."""
        call_command("db_worker", batch=True, interval=0, startup_delay=False, verbosity=0)

    # --- What is there ------------------------------------------------------------------------

    def served(self) -> Content:
        """Return all that production serves, by one search over all of Tracardi's aliases."""
        return self._content(self.production)

    def staged(self) -> Content:
        """Return all that staging holds."""
        return self._content(self.staging)

    def _content(self, environment: Environment) -> Content:
        naming = environment.naming
        found = {r.name: self._documents(naming.alias(r.name)) for r in naming.catalogue.promoted}
        by_concrete = {
            r.name: self._documents(naming.concrete(r.name)) for r in naming.catalogue.promoted
        }
        assert found == by_concrete, "Tracardi's two names of a resource differ."
        return found

    def _documents(self, name: str) -> dict[str, bytes]:
        self.writer.refresh([name])
        return dict(self.writer.read(name))

    def _protected(self) -> dict[str, tuple[str, str, int]]:
        naming = self.production.naming
        names = [naming.concrete("user"), naming.partition("event", "2026-11")]
        states = self.writer.states(names)
        return {
            name: (states[name].uuid, states[name].mapping_digest, self.writer.count(name))
            for name in names
        }

    def check(self) -> None:
        """Check what must hold whenever nobody works: names, leftovers, locks, protected ones."""
        assert not Promotion.objects.filter(status__in=Promotion.ACTIVE).exists()
        production, naming = self.production, self.production.naming
        assert self._protected() == self.protected
        assert self.writer.lease(naming.key)[0].holder == ""
        assert check(self.writer, production) is None
        states = self.writer.states([*naming.search_patterns(), naming.marker_pattern])
        live = StoredGeneration.live_in(production)
        facts = self.writer.marker(naming.marker_alias)
        if live is None:
            assert facts is None
        else:
            assert facts is not None
            assert facts["marker"] == live.marker
        for resource in naming.catalogue.promoted:
            names = {naming.alias(resource.name), naming.concrete(resource.name)}
            holders = [s for s in states.values() if names & {*s.aliases, s.name}]
            assert len(holders) == 1, f"{names} are {holders}"
            (holder,) = holders
            locked = live is not None and Unlocking.of(production) is None
            assert holder.write_blocked == locked, holder.name
            if live is not None:
                assert holder.name == live.generation.resources[resource.name].index
        if live is not None:
            clean_up(self.writer, production)
        assert self._leftovers() == set()
        templates = self.writer.connection.request("GET", "/_index_template")["index_templates"]
        assert not [t["name"] for t in templates if production.tenant in t["name"]]

    def _leftovers(self) -> set[str]:
        """Return indices of generations and markers that nothing refers to."""
        production, naming = self.production, self.production.naming
        needed: set[str] = set()
        for stored in StoredGeneration.objects.filter(environment=production, is_kept=True):
            held = stored.generation.resources.values()
            needed |= {stored.marker, *(one.index for one in held)}
        ready = current_preparation(production)
        if ready is not None and ready.made is not None:
            held = ready.made.resources.values()
            needed |= {ready.made.marker, *(one.index for one in held)}
        found = self.writer.states([*naming.search_patterns(), naming.marker_pattern])
        ours = set()
        for name in found:
            what = naming.classify(name)
            if what is None or what.kind is NameKind.GENERATION:
                ours.add(name)
        return ours - needed
