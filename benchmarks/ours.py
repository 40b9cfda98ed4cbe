"""The console's own way: its services, and a click on its page served as in production."""

import http.client
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from django.test import Client
from django.urls import reverse

from accounts.audit import Actor, command_actor, system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user, grant
from benchmarks.data import Configuration, Key
from benchmarks.reader import Seen
from benchmarks.sets import create, timed, write
from devtools.demo.children import child, wait_until
from devtools.elasticsearch.node import free_port
from environments.elastic import connect
from environments.findings import warnings
from environments.models import Cluster, Environment
from environments.naming import Side
from promotion.adoption import adopt, run_adopt
from promotion.cleaning import clean_up
from promotion.dependencies import findings_of
from promotion.live import finish
from promotion.locking import unlock
from promotion.models import Build, Promotion, Review, StoredGeneration
from promotion.planning import writer_for
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.services import capture, review

VERSION: Final = "0.8.1"
START_SECONDS: Final = 60.0
_INPUT: Final = re.compile(r'<input[^>]*name="(?P<name>[\w-]+)"[^>]*>')
_VALUE: Final = re.compile(r'value="(?P<value>[^"]*)"')


class People:
    """Who captures and approves, and who promotes."""

    def __init__(self) -> None:
        self.admin = self._make(Role.ADMINISTRATOR)
        self.qa = self._make(Role.QA)

    @staticmethod
    def _make(role: Role) -> Actor:
        password = "of no use outside of this run 1"  # noqa: S105
        user = create_user(system_actor(), username=role.value, role=role, password=password)
        return command_actor(user)

    def user(self, actor: Actor) -> User:
        if actor.user is None:
            raise TypeError("The console itself is no person.")
        return actor.user


def environment(people: People, cluster: Cluster, tenant: str, side: Side) -> Environment:
    """Make one environment's row, granted to QA."""
    name = f"{side.value} {tenant}"
    made = Environment.objects.create(
        name=name,
        slug=name.replace(" ", "-"),
        cluster=cluster,
        version=VERSION,
        tenant=tenant,
        kind=side.value,
    )
    grant(system_actor(), people.user(people.qa), made)
    return made


class Pipeline:
    """A staging set and an adopted production set with the same documents."""

    def __init__(
        self,
        people: People,
        cluster: Cluster,
        tenant: str,
        configuration: Configuration,
        *,
        unlocked: bool = False,
        filled: bool = False,
    ) -> None:
        """Make the rows, fill both sides unless that was done, and adopt production."""
        self.people, self.configuration = people, configuration
        self.connection = connect(cluster)
        self.staging = environment(people, cluster, tenant, Side.STAGING)
        self.production = environment(people, cluster, tenant, Side.PRODUCTION)
        self.staging.promotes_to = self.production
        self.staging.save(update_fields=["promotes_to"])
        for side in () if filled else (self.staging, self.production):
            create(self.connection, side.naming, whole=side.is_production)
            write(self.connection, side.naming, configuration, configuration.keys, "first")
        run_adopt(adopt(people.admin, self.production))
        capture(people.qa, self.staging)
        if unlocked:
            unlock(people.admin, self.production, "To measure it")

    def change(self, keys: list[Key], token: str) -> None:
        """Write documents of staging anew."""
        write(self.connection, self.staging.naming, self.configuration, keys, token)

    def job(self, switch: Callable[[Build, Promotion], Promotion]) -> dict[str, float]:
        """Capture, approve, prepare, cut over by `switch`, verify; return the seconds of each.

        Raises:
            PromotionError: a step did not succeed.
        """
        seconds: dict[str, float] = {}
        with self.timing("capture", seconds):
            build = capture(self.people.qa, self.staging)
        # A person's time: not a part of the job.
        # The data is a shop's many times over, and not all that it refers to.
        due = [one.code for one in warnings(findings_of(build))]
        review(
            self.people.qa,
            build,
            Review.Verdict.APPROVED,
            content=build.content,
            acknowledged=due,
        )
        with self.timing("prepare", seconds):
            ready = prepare(build, self.production)
        with self.timing("cutover", seconds):
            made = switch(build, ready)
        with self.timing("verify", seconds):
            finish(made)
        seconds["job"] = sum(seconds.values())
        # What the worker does afterwards, when nobody waits for it.
        clean_up(writer_for(self.production), self.production)
        return seconds | {f"step {step.name}": step.duration for step in made.steps.all()}

    @contextmanager
    def timing(self, part: str, seconds: dict[str, float]) -> Iterator[None]:
        """Keep how long one part of the job takes."""
        started = time.perf_counter()
        yield
        seconds[part] = time.perf_counter() - started


def first_capture(people: People, staging: Environment) -> dict[str, float]:
    """Capture a set that the console has never seen, and again unchanged."""
    return {
        "capture_full": timed(lambda: capture(people.qa, staging)),
        "capture_unchanged": timed(lambda: capture(people.qa, staging)),
    }


class Job:
    """The whole job, cut over by the service."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.production = pipeline.production.naming
        self.change = pipeline.change

    def act(self) -> dict[str, float]:
        return self.pipeline.job(self._promote)

    def after(self, _seen: Seen) -> dict[str, float]:
        return {}

    def _promote(self, build: Build, ready: Promotion) -> Promotion:
        return promote(
            self.pipeline.people.admin,
            build,
            self.pipeline.production,
            plan_digest=ready.plan_digest,
            consents=[finding["code"] for finding in ready.consents_due],
        )


class Click:
    """The same, cut over by a click in a browser where the administrator is signed in.

    What counts is how long after the click a reader of production sees the new state.
    """

    def __init__(self, pipeline: Pipeline, address: str) -> None:
        self.pipeline = pipeline
        self.production = pipeline.production.naming
        self.change = pipeline.change
        self._address = address
        client = Client()
        client.force_login(pipeline.people.user(pipeline.people.admin))
        self._cookies = {"sessionid": client.cookies["sessionid"].value}
        self._clicked_at = 0.0

    def act(self) -> dict[str, float]:
        self.pipeline.job(self._click)
        return {}

    def after(self, seen: Seen) -> dict[str, float]:
        return {"click_to_live": seen.live_at - self._clicked_at}

    def get(self, path: str) -> str:
        """Return a page as the administrator's browser gets it.

        Raises:
            RuntimeError: it was not answered with HTTP 200.
        """
        link = http.client.HTTPConnection(self._address, timeout=60)
        try:
            return self._send(link, "GET", path, "")
        finally:
            link.close()

    def _click(self, build: Build, _ready: Promotion) -> Promotion:
        """Open the promote page, fill its form in, and send it.

        Raises:
            RuntimeError: it did not promote.
        """
        path = reverse("promotion:promote", args=[self.pipeline.staging.slug, build.number])
        link = http.client.HTTPConnection(self._address, timeout=60)
        page = self._send(link, "GET", path, "")
        fields = {}
        for found in _INPUT.finditer(page.partition('class="tc-form"')[2].partition("</form>")[0]):
            value, agreed = _VALUE.search(found[0]), "checkbox" in found[0]
            fields[found["name"]] = value["value"] if value else "on" if agreed else ""
        body = urlencode(fields)
        self._clicked_at = time.monotonic()
        self._send(link, "POST", path, body)
        link.close()
        live = StoredGeneration.live_in(self.pipeline.production)
        if live is None or live.build_id != build.pk:
            raise RuntimeError("The click did not promote.")
        return live.promotion

    def _send(self, link: http.client.HTTPConnection, method: str, path: str, body: str) -> str:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"}
        link.request(method, path, body, headers)
        answer = link.getresponse()
        text = answer.read().decode()
        for header in answer.headers.get_all("Set-Cookie") or []:
            name, _, rest = header.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        if answer.status != (302 if method == "POST" else 200):
            raise RuntimeError(f"{method} {path} was answered with HTTP {answer.status}.")
        return text


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """Run the console's web server as in production, and yield its host and port."""
    address = f"127.0.0.1:{free_port()}"
    command = ["-m", "gunicorn", "--bind", address, "--threads", "8", "--no-control-socket"]
    log = folder / "web.log"
    with child("web server", log, [*command, "tracardi_console.wsgi"]) as web:
        wait_until(lambda: _answers(address), web, START_SECONDS)
        yield address


def _answers(address: str) -> bool:
    link = http.client.HTTPConnection(address, timeout=5)
    try:
        link.request("GET", "/account/login/")
        return link.getresponse().status == 200
    except OSError:
        return False
    finally:
        link.close()
