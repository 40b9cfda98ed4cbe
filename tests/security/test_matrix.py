"""Every address and every role: who may open it, who may change what. A page needs a row."""

import pytest
from django.conf import settings as console
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.audit import system_actor
from accounts.models import AuditEvent, Handover, User
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.models import Cluster, Environment
from promotion.batch_models import Batch, BatchItem
from promotion.engine.manifest import Entry, Tree, describe
from promotion.models import (
    Build,
    BuildPart,
    Comment,
    Promotion,
    Review,
    RunResult,
    Suite,
    SuiteRun,
    SuiteTest,
)
from promotion.store import DatabaseContent
from tests.factories import prove

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough phrase 7"

# Address -> (method, arguments, status for administrator, qa, marketing, nobody).
# 302 to the sign-in for nobody; 404 where a role does not learn that a thing exists.
S, B, P = "staging", "build", "promotion"
MATRIX: dict[str, tuple[str, str, tuple[int, int, int]]] = {
    "audit": ("get", "", (200, 200, 403)),
    "export-audit": ("get", "format", (200, 200, 403)),
    # The tests' cluster answers nothing, and the page says so: 503 to whom it is shown at all.
    "environments:dashboard": ("get", S, (503, 503, 503)),
    "environments:documents": ("get", "flows", (503, 503, 503)),
    "environments:document": ("get", "flow", (503, 503, 503)),
    "environments:way": ("get", S, (503, 503, 503)),
    "environments:accounts": ("get", S, (503, 403, 403)),
    "promotion:environments": ("get", "", (200, 200, 200)),
    "promotion:environment": ("get", S, (200, 200, 200)),
    "promotion:capture": ("post", S, (302, 302, 403)),
    "promotion:checklist": ("get", S, (200, 403, 403)),
    "promotion:adopt": ("get", "production", (200, 403, 403)),
    "promotion:release": ("get", "production", (200, 403, 403)),
    "promotion:rollback": ("get", "production", (200, 403, 403)),
    "promotion:reconcile": ("get", "production", (200, 403, 403)),
    "promotion:rehearse-rollback": ("post", "production", (302, 403, 403)),
    "promotion:lock": ("post", "production", (302, 403, 403)),
    "promotion:unlock": ("post", "production", (302, 403, 403)),
    "promotion:prolong": ("post", "production", (302, 403, 403)),
    "promotion:drift": ("get", "production", (200, 200, 403)),
    "promotion:check-drift": ("post", "production", (302, 403, 403)),
    "promotion:keep-drift": ("post", "production", (302, 403, 403)),
    "promotion:discard-drift": ("get", "production", (200, 403, 403)),
    "promotion:carry-drift": ("get", "production", (200, 403, 403)),
    "promotion:live-at": ("get", "production", (200, 200, 404)),
    "promotion:history": ("get", "flows", (200, 200, 404)),
    "promotion:builds": ("get", "", (200, 200, 403)),
    "promotion:compare": ("get", "", (200, 200, 403)),
    # Nothing is named that could be compared; tests/console/test_compare.py has the rest.
    "promotion:compare-document": ("get", "", (404, 404, 403)),
    "promotion:compare-way": ("get", "", (404, 404, 403)),
    "promotion:reviews": ("get", "", (200, 200, 403)),
    "promotion:build": ("get", B, (200, 200, 404)),
    "promotion:document": ("get", "document", (200, 200, 404)),
    "promotion:compose": ("get", B, (200, 200, 404)),
    "promotion:comment": ("get", B, (200, 200, 404)),
    "promotion:resolve-comment": ("post", "comment", (302, 302, 404)),
    "promotion:review": ("post-approve", B, (403, 302, 404)),
    "promotion:prepare": ("post", B, (302, 403, 404)),
    "promotion:promote": ("get", B, (200, 403, 404)),
    "promotion:rehearse": ("post", B, (302, 403, 404)),
    "promotion:coverage": ("get", B, (200, 200, 404)),
    "promotion:suites": ("get", "", (200, 200, 403)),
    "promotion:new-suite": ("get", "", (200, 200, 403)),
    "promotion:suite": ("get", "suite", (200, 200, 404)),
    "promotion:rename-suite": ("post", "suite", (302, 302, 404)),
    "promotion:require-suite": ("post", "suite", (302, 403, 404)),
    "promotion:retire-suite": ("post", "suite", (302, 302, 404)),
    "promotion:export-suite": ("get", "suite", (200, 200, 404)),
    # Nothing is sent with it, which is an error of the form.
    "promotion:import-tests": ("post", "suite", (400, 400, 404)),
    "promotion:record-test": ("get", "suite", (503, 503, 404)),
    "promotion:run-suite": ("post", "suite", (302, 302, 404)),
    "promotion:new-test": ("get", "suite", (200, 200, 404)),
    "promotion:test": ("get", "test", (200, 200, 404)),
    "promotion:drop-test": ("post", "test", (302, 302, 404)),
    "promotion:suite-run": ("get", "suite-run", (200, 200, 404)),
    "promotion:cancel-run": ("post", "suite-run", (302, 302, 404)),
    "promotion:run-again": ("post", "suite-run", (302, 302, 404)),
    "promotion:run-result": ("get", "result", (200, 200, 404)),
    "promotion:batches": ("get", "", (200, 403, 403)),
    "promotion:new-batch": ("get", "", (200, 403, 403)),
    "promotion:batch": ("get", "batch", (200, 403, 403)),
    "promotion:stop-batch": ("post", "batch", (302, 403, 403)),
    "promotion:promotions": ("get", "", (200, 200, 200)),
    "promotion:promotion": ("get", P, (200, 200, 404)),
    # The one of this test goes on, and has none yet; tests/promotion/test_receipts.py has the rest.
    "promotion:receipt": ("get", P, (404, 404, 404)),
    "promotion:smoke": ("post", P, (302, 403, 404)),
    "promotion:cancel": ("post", P, (302, 403, 404)),
    "accounts:people": ("get", "", (200, 403, 403)),
    "accounts:invite": ("get", "", (200, 403, 403)),
    "accounts:handover": ("get", "", (200, 403, 403)),
    # It was offered to somebody else.
    "accounts:accept-handover": ("post", "handover", (404, 404, 404)),
    "accounts:end-handover": ("post", "handover", (302, 404, 404)),
    "accounts:end-view-as": ("post", "", (302, 302, 302)),
    "accounts:person": ("get", "person", (200, 403, 403)),
    "accounts:set-rights": ("post", "person", (302, 403, 403)),
    "accounts:switch": ("post", "person", (302, 403, 403)),
    "accounts:sign-out": ("post", "person", (302, 403, 403)),
    "accounts:reset-factor": ("post", "person", (302, 403, 403)),
    "accounts:invite-again": ("post", "person", (302, 403, 403)),
    "accounts:view-as": ("post", "person", (302, 403, 403)),
    "admin:index": ("get", "", (200, 200, 302)),
    "admin:logout": ("post", "", (302, 302, 302)),
    "admin:environments_cluster_changelist": ("get", "", (200, 403, 403)),
    "admin:environments_cluster_add": ("get", "", (200, 403, 403)),
    "admin:environments_cluster_change": ("get", "cluster", (200, 403, 403)),
    "admin:environments_cluster_delete": ("get", "cluster", (403, 403, 403)),
    "admin:environments_cluster_history": ("get", "cluster", (200, 403, 403)),
    "admin:environments_environment_changelist": ("get", "", (200, 403, 403)),
    "admin:environments_environment_add": ("get", "", (200, 403, 403)),
    "admin:environments_environment_change": ("get", "environment", (200, 403, 403)),
    "admin:environments_environment_delete": ("get", "environment", (403, 403, 403)),
    "admin:environments_environment_history": ("get", "environment", (200, 403, 403)),
}
# What an address needs besides its path.
QUERIES = {"promotion:document": "?id=f1", "promotion:history": "?id=f1"}
FLOW = b'{"name": "Flow", "production": ""}'
NO_MARK = {"uuid": "u", "max_seq_no": [], "mapping_version": 0, "settings": ""}
# Django's own: the same for everybody who is signed in, or without a view of ours behind it.
COMMON = {
    "admin:login",
    "account_login",
    "account_logout",
    "account_inactive",
    "account_signup",
    "account_reauthenticate",
    "account_change_password",
    "account_set_password",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "mfa_index",
    "mfa_authenticate",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "mfa_reauthenticate_webauthn",
    "mfa_remove_webauthn",
    "mfa_edit_webauthn",
    "usersessions_list",
    "socialaccount_login_cancelled",
    "socialaccount_login_error",
    "socialaccount_signup",
    "openid_connect_login",
    "openid_connect_callback",
    "admin:password_change",
    "admin:password_change_done",
    "admin:autocomplete",
    "admin:jsi18n",
    "admin:view_on_site",
    "admin:app_list",
    "admin:search",
    "admin:toggle_sidebar",
}


def flow_entry() -> Entry:
    return describe("flow", "f1", FLOW, limit=1000)


def names(resolver: URLResolver, prefix: str = "") -> set[str]:
    found = set()
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            found |= names(pattern, prefix + inner)
        elif isinstance(pattern, URLPattern) and pattern.name:
            found.add(f"{prefix}{pattern.name}")
    return found


def test_every_address_has_a_row() -> None:
    assert names(get_resolver()) - COMMON == set(MATRIX)


@pytest.fixture
def things() -> dict[str, list[object]]:
    """One of each kind; the cluster's address answers nothing."""
    cluster = Cluster.objects.create(name="C", url="http://127.0.0.1:9")
    facts = {"cluster": cluster, "version": "0.8.1", "tenant": "acme"}
    production = Environment.objects.create(
        name="Production", slug="production", kind="production", **facts
    )
    staging = Environment.objects.create(
        name="Staging", slug="staging", kind="staging", promotes_to=production, **facts
    )
    person = create_user(system_actor(), username="other", role=Role.MARKETING, password=PASSWORD)
    offered = Handover.objects.create(offered_by=person, offered_to=person)
    build = Build.objects.create(
        environment=staging, number=1, content="c", exact="e", cluster_uuid="u", version="0.8.1"
    )
    content, tree = DatabaseContent(), Tree.of("flow", [flow_entry()])
    content.keep_blobs({tree.entries[0].oid: FLOW})
    content.keep_tree(tree)
    BuildPart.objects.create(
        build=build, tree_id=tree.digest, index="i", mapping_digest="m", fingerprint=NO_MARK
    )
    made = Promotion.objects.create(
        kind="promote", environment=production, build=build, status="running"
    )
    batch = Batch.objects.create(parallel=1, channel="web")
    BatchItem.objects.create(batch=batch, environment=production, build=build)
    said = Comment.objects.create(build=build, environment=staging, text="Why?", author=person)
    suite = Suite.objects.create(environment=staging, name="Shop", made_by=person)
    test_facts = {
        "name": "T",
        "source": "s",
        "events": [{"type": "e"}],
        "expect": {"no-errors": True},
    }
    test = SuiteTest.objects.create(
        suite=suite, name="T", facts=test_facts, made_in=1, made_by=person
    )
    run = SuiteRun.objects.create(
        environment=staging, suite=suite, suite_version=1, chosen=[test.pk], status="running"
    )
    result = RunResult.objects.create(run=run, test=test, status="passed", edges={"f1": []})
    return {
        "": [],
        "format": ["csv"],
        "suite": [suite.pk],
        "test": [suite.pk, test.pk],
        "suite-run": [run.pk],
        "result": [run.pk, result.pk],
        "comment": [staging.slug, 1, said.pk],
        "staging": [staging.slug],
        "production": [production.slug],
        "flows": [staging.slug, "flow"],
        "flow": [staging.slug, "flow", "f1"],
        "build": [staging.slug, 1],
        "document": [staging.slug, 1, "flow"],
        "promotion": [made.pk],
        "batch": [batch.pk],
        "cluster": [cluster.pk],
        "environment": [staging.pk],
        "person": [person.pk],
        "handover": [offered.pk],
    }


@pytest.fixture
def browser(plain_static_files: None) -> Client:
    return Client(headers={"x-forwarded-proto": "https"}, raise_request_exception=True)


def account(role: Role) -> User:
    user = create_user(system_actor(), username=role.value, role=role, password=PASSWORD)
    if role is not Role.ADMINISTRATOR:
        for environment in Environment.objects.all():
            grant(system_actor(), user, environment)
    return user


def enter_in(browser: Client, user: User) -> None:
    browser.force_login(user, backend=console.AUTHENTICATION_BACKENDS[0])
    prove(browser, user)


def send(browser: Client, name: str, things: dict[str, list[object]]) -> int:
    method, kind, _expected = MATRIX[name]
    url = reverse(name, args=things[kind]) + QUERIES.get(name, "")
    if method == "get":
        return browser.get(url, secure=True).status_code
    data = {"content": "c", "verdict": "approved"} if method == "post-approve" else {}
    return browser.post(url, data, secure=True).status_code


@pytest.mark.parametrize("name", sorted(MATRIX))
@pytest.mark.parametrize(("column", "role"), list(enumerate(Role)))
def test_a_role_may_do_just_what_the_table_says(
    name: str, column: int, role: Role, browser: Client, things: dict[str, list[object]]
) -> None:
    enter_in(browser, account(role))
    expected = MATRIX[name][2][column]
    assert send(browser, name, things) == expected
    if expected == 403 and not name.startswith("admin:"):
        assert AuditEvent.objects.filter(outcome="refused").exists()


@pytest.mark.parametrize("name", sorted(set(MATRIX) - {"admin:logout"}))
def test_nobody_sees_anything_without_signing_in(
    name: str, browser: Client, things: dict[str, list[object]]
) -> None:
    assert send(browser, name, things) == 302


@pytest.mark.parametrize("name", sorted(n for n in MATRIX if MATRIX[n][0].startswith("post")))
def test_no_get_changes_anything(
    name: str, browser: Client, things: dict[str, list[object]]
) -> None:
    enter_in(browser, account(Role.ADMINISTRATOR))
    assert browser.get(reverse(name, args=things[MATRIX[name][1]]), secure=True).status_code == 405


def test_an_environment_that_was_not_granted_is_not_there(
    browser: Client, things: dict[str, list[object]]
) -> None:
    user = create_user(system_actor(), username="qa2", role=Role.QA, password=PASSWORD)
    enter_in(browser, user)
    for name in (
        "environments:documents",
        "environments:document",
        "environments:way",
        "promotion:environment",
        "promotion:live-at",
        "promotion:history",
        "promotion:build",
        "promotion:promotion",
        "promotion:suite",
        "promotion:suite-run",
        "promotion:run-result",
        "promotion:coverage",
    ):
        url = reverse(name, args=things[MATRIX[name][1]])
        assert browser.get(url, secure=True).status_code == 404


def test_the_answer_carries_the_policy_and_no_inline_style_or_script(
    browser: Client, things: dict[str, list[object]]
) -> None:
    enter_in(browser, account(Role.ADMINISTRATOR))
    answer = browser.get(reverse("admin:index"), secure=True)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in {part.strip() for part in policy.split(";")}
    assert "unsafe" not in policy
    body = answer.content.decode()
    assert " style=" not in body
    assert "<style" not in body
    assert Review.objects.count() == 0
