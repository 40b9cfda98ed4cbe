"""Every page, light and dark, without what axe-core calls serious: names, contrast, keyboard."""

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from devtools.axe import script
from environments.models import Environment
from promotion.models import Promotion, SuiteRun
from tests.alike import some
from tests.browser.conftest import settle, sign_in
from tests.browser.visiting import IDLE
from tests.browser.world import lived, patience, ran, standin, suite
from tests.factories import People, served
from tests.security.matrix import ROWS

__all__ = ["lived", "patience", "ran", "standin", "suite"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Preloading reads style sheets by requests of its own, which the policy is not there for.
RUN = """() => axe.run({preload: false, resultTypes: ["violations"]}).then((found) =>
  found.violations.filter((one) => ["serious", "critical"].includes(one.impact)).map((one) => ({
    rule: one.id, help: one.help,
    nodes: one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)),
  })))"""
FILES = {"promotion:receipt", "promotion:export-suite", "export-audit", "admin:jsi18n"}
# For machines, or shown as they are.
FILES |= {"live", "ready", "metrics"}
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
COMPARED = "before=staging:1&after=staging:2"


def addresses(environment: Environment, ran: SuiteRun) -> Iterator[str]:
    flow, rule = (sorted(served(environment, name))[0] for name in ("flow", "rule"))
    things: dict[str, list[list[object]]] = {
        "-": [[]],
        "staging": [["staging"]],
        "production": [["production"]],
        "flows": [["staging", "flow"]],
        "flow": [["staging", "flow", flow]],
        # One that went live, and one that waits.
        "build": [["staging", 2], ["staging", 3]],
        "went": [[Promotion.objects.filter(kind="promote").get().pk]],
        "cluster": [[environment.cluster.pk]],
        "environment": [[environment.pk]],
        "suite": [[ran.suite_id]],
        "test": [[ran.suite_id, pk] for pk in ran.chosen],
        "run": [[ran.pk]],
        "result": [[ran.pk, one.pk] for one in ran.results.all()],
    }
    for name, row in sorted(ROWS.items()):
        for args in things.get(row.thing, []) if row.is_read and name not in FILES else []:
            if not name.startswith("promotion:compare") or name == "promotion:compare":
                yield reverse(name, args=args)
    for resource, doc_id in (("flow", flow), ("rule", rule)):
        yield f"{reverse('promotion:document', args=['staging', 2, resource])}?id={doc_id}"
        yield f"{reverse('promotion:history', args=['production', resource])}?id={doc_id}"
    yield f"{reverse('promotion:compose', args=['production', 1])}?restore=rule&id={rule}"
    yield f"{reverse('promotion:live-at', args=['production'])}?at={timezone.now():%Y-%m-%dT%H:%M}"
    yield f"{reverse('promotion:compare')}?{COMPARED}"
    connecting = reverse("environments:connect-environments", args=[environment.cluster.pk])
    yield f"{connecting}?set=08x.{environment.tenant}"
    yield f"{reverse('promotion:compare-way')}?{COMPARED}"
    for resource, doc_id in (("flow", flow), ("rule", rule)):
        page = reverse("promotion:compare-document")
        yield f"{page}?{COMPARED}&resource={resource}&id={doc_id}"
    yield "/nothing-is-here/"


# Light and dark are the same but for their colours: each run takes one of a page, in turn.
@pytest.mark.parametrize("at_once", some([1, 2], lambda place, _case: place == 0))
def test_no_page_has_a_serious_finding(
    at_once: int,
    lived: People,
    ran: SuiteRun,
    staging: Environment,
    page: Page,
    live_server: LiveServer,
) -> None:
    assert lived.admin.user is not None
    axe = script()
    found: dict[str, Any] = {}
    sign_in(page, live_server, lived.admin.user)
    looked = 0
    for address in addresses(staging, ran):
        page.goto(f"{live_server}{address}")
        page.evaluate(IDLE)
        if page.locator("[hx-trigger=load]").count():
            # Its figures come after it.
            settle(page)
        for scheme in SCHEMES if at_once == 2 else (SCHEMES[looked % 2],):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(axe)
            violations = page.evaluate(RUN)
            looked += 1
            if violations:
                found[f"{address} {scheme}"] = violations
    assert looked > 50 * at_once
    assert not found, json.dumps(found, indent=1)
