"""Payloads in all that people type into the console, by the services that keep it."""

from collections.abc import Iterator

from django.utils import timezone

from accounts.audit import system_actor
from accounts.roles import Role
from accounts.services import create_user
from environments.models import Cluster, Environment, Licence, LicenceUse, SavedView
from promotion.checklists import MOST_ITEMS, change_checklist
from promotion.comments import add_comment
from promotion.engine.workflow import MOST_EVENTS, WorkflowTest
from promotion.models import Build, Suite
from promotion.suites import keep_test, make_suite
from tests.factories import People
from tests.security.payloads import PAYLOADS, Places

# What a test of a suite is run with, so that its result shows it.
RAN = "Ran"


def fitting(places: Places, place: str, most: int) -> Iterator[str]:
    """Yield the payloads that a field of so many characters takes; none takes a null byte."""
    for which in range(len(PAYLOADS)):
        if len(PAYLOADS[which]) + 21 <= most and "\0" not in PAYLOADS[which]:
            yield places.text(place, which)


def joined(places: Places, place: str, most: int) -> str:
    """Return as many payloads as a field of so many characters takes together."""
    found = ""
    for text in fitting(places, place, most):
        if len(found) + len(text) + 1 <= most:
            found = f"{found}\n{text}".strip()
    return found


def name_things(places: Places) -> None:
    """Make a cluster, an environment and an account for each payload, called by it."""
    # Nothing answers there.
    for number, name in enumerate(fitting(places, "cluster name", 100)):
        Cluster.objects.create(name=name, url=f"http://127.0.0.1:{number + 1}")
    cluster = Cluster.objects.get(url="http://127.0.0.1:1")
    for number, name in enumerate(fitting(places, "environment name", 100)):
        Environment.objects.create(
            name=name,
            slug=f"named-{number}",
            cluster=cluster,
            version="0.8.1",
            tenant=f"x{number}",
            kind="staging",
        )
    holders, notes = fitting(places, "licence holder", 200), fitting(places, "licence note", 2000)
    ends_on = timezone.localdate()
    for number, (holder, note) in enumerate(zip(holders, notes, strict=False)):
        licence = Licence.objects.create(
            holder=holder, key="licence-key", note=note, ends_on=ends_on
        )
        named = Environment.objects.filter(slug=f"named-{number}").first()
        if named is not None:
            LicenceUse.objects.create(licence=licence, environment=named)
    names, lasts = (fitting(places, f"{one} name", 150) for one in ("first", "last"))
    for number, (first, last) in enumerate(zip(names, lasts, strict=True)):
        create_user(
            system_actor(),
            username=f"named-{number}",
            role=Role.MARKETING,
            password="a long enough phrase 7",
            first_name=first,
            last_name=last,
        )


def name_views(places: Places, people: People, environment: Environment) -> None:
    """Save the administrator's views of an environment, called by each payload."""
    assert people.admin.user is not None
    for text in fitting(places, "view name", 80):
        # Past the service, which takes no line break.
        SavedView.objects.create(
            environment=environment, owner=people.admin.user, name=text, query="range=7d"
        )


def speak(places: Places, people: People, build: Build, document: str) -> None:
    """Comment on a build, on one of its documents and on a field, and write a checklist."""
    for text in fitting(places, "comment", 4000):
        add_comment(people.qa, build, text)
    for text in fitting(places, "comment title", 300):
        add_comment(people.qa, build, "On it", resource="rule", document=document, title=text)
    asked = add_comment(people.qa, build, "A question", resource="rule", document=document)
    add_comment(people.qa, build, joined(places, "answer", 4000), parent=asked)
    lines = [one for one in fitting(places, "checklist item", 300) if len(one.splitlines()) == 1]
    change_checklist(people.admin, build.environment, "\n".join(lines[:MOST_ITEMS]), version=0)


def keep_tests(places: Places, people: People, staging: Environment) -> Suite:
    """Make a suite for each payload, and one with tests of which the last can be run."""
    for name in fitting(places, "suite name", 80):
        make_suite(people.qa, staging, name)
    suite = make_suite(people.qa, staging, RAN)
    values = list(fitting(places, "event property", 500))
    traits = list(fitting(places, "expected value", 500))
    tests = [
        workflow(name, [f"type-{number}"], values[number], traits[number])
        for number, name in enumerate(fitting(places, "test name", 120))
    ]
    types = list(fitting(places, "event type", 120))
    tests.append(workflow(RAN, types[:MOST_EVENTS], values[0], traits[0]))
    for version, test in enumerate(tests, 1):
        keep_test(people.qa, suite, test, version=version)
    suite.refresh_from_db()
    return suite


def workflow(name: str, types: list[str], value: str, trait: str) -> WorkflowTest:
    properties = {"text": value, value[:60]: 1}
    return WorkflowTest.from_dict(
        {
            "name": name,
            "source": "src-web-shop",
            "events": [{"type": one, "properties": properties} for one in types],
            "expect": {
                "flows": [value[:120]],
                "segments": [trait[:120]],
                "traits": {trait[:60]: trait},
                "answer": {"response": trait},
            },
        }
    )
