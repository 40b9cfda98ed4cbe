"""Two sides compared in the browser's words and on the command line, on the real engine."""

import io
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.models import User
from environments.documents import encode_field, parse
from environments.elastic import connect
from environments.models import Cluster, Environment
from promotion.adoption import adopt, run_adopt
from promotion.models import Blob, StoredTree
from promotion.services import capture
from tests.factories import People, enter, make_staging, put, remove, served

pytestmark = pytest.mark.django_db
See = Callable[..., str]
SECRET = "hunter2-planted"


@pytest.fixture
def see(plain_static_files: None) -> See:
    """Return what a person sees at a comparison's address."""

    def look(
        user: User | None, before: str, after: str, name: str = "compare", **query: str
    ) -> str:
        client = enter(user)
        url = reverse(f"promotion:{name}")
        query = {"before": before, "after": after, **query}
        expected = int(query.pop("expected", "200"))
        answer = client.get(url, query, secure=True)
        assert answer.status_code == expected
        return answer.content.decode()

    return look


def edit(environment: Environment, resource: str, **changes: object) -> str:
    """Change the first document of a resource on staging, and return its id."""
    doc_id, raw = sorted(served(environment, resource).items())[0]
    put(environment, resource, quote(doc_id, safe=""), json.dumps({**parse(raw), **changes}))
    return doc_id


@pytest.fixture
def two_builds(people: People, staging: Environment) -> Environment:
    """Staging with two builds: a rule is renamed, a resource's secret is another, one is new."""
    put(staging, "resource", "api", json.dumps(credentials("before")))
    capture(people.qa, staging)
    edit(staging, "rule", name="Edited rule")
    put(staging, "resource", "api", json.dumps(credentials("after")))
    put(staging, "segment", "new", json.dumps({"id": "new", "name": "A new <segment>"}))
    edit(staging, "flow", timestamp="2030-01-01T00:00:00")
    capture(people.qa, staging)
    return staging


def credentials(which: str) -> dict[str, object]:
    halves = {"production": {"password": f"{SECRET}-{which}"}, "test": {}}
    return {"id": "api", "name": "API", "credentials": encode_field(halves)}


def test_what_differs_is_told_by_resource_document_and_in_words(
    two_builds: Environment, people: People, see: See
) -> None:
    text = see(people.qa.user, "staging:1", "staging:2")
    assert "Staging build 1 → Staging build 2" in text
    assert "Edited rule" in text
    assert "renamed from" in text
    assert "credentials / production / password: secret changed" in text
    assert "A new &lt;segment&gt;" in text
    assert "differs by noise alone" in text
    assert SECRET not in text


def test_a_list_is_narrowed_by_resource_kind_and_text(
    two_builds: Environment, people: People, see: See
) -> None:
    def listed(**query: str) -> str:
        page = see(people.qa.user, "staging:1", "staging:2", **query)
        return page.partition('id="documents"')[2]

    by_resource = listed(resource="segment")
    assert "A new" in by_resource
    assert "Edited rule" not in by_resource
    by_kind = listed(kind="changed")
    assert "Edited rule" in by_kind
    assert "A new" not in by_kind
    assert "Edited rule" in listed(q="EDITED")
    assert "No document fits." in listed(q="nothing of that name")
    # A value that no filter has leaves nothing out, and is told.
    assert "It was left out." in listed(kind="rubbish")
    assert "flow" in listed(kind="noise")


def test_a_document_is_told_by_field_with_its_secrets_masked(
    two_builds: Environment, people: People, see: See
) -> None:
    text = see(
        people.qa.user,
        "staging:1",
        "staging:2",
        "compare-document",
        resource="resource",
        id="api",
    )
    assert 'id="f-credentials.production.password"' in text
    assert "secret changed" in text
    assert SECRET not in text
    # The tags that tell secrets apart are nobody's to see.
    assert "••••••·" not in text


def test_a_long_text_is_told_line_by_line(people: People, staging: Environment, see: See) -> None:
    lines = [f"line {n} <b>" for n in range(40)]
    put(staging, "content", "mail", json.dumps({"id": "mail", "content": "\n".join(lines)}))
    capture(people.qa, staging)
    lines[20:21] = ["another", "and one more"]
    put(staging, "content", "mail", json.dumps({"id": "mail", "content": "\n".join(lines)}))
    capture(people.qa, staging)
    page = see(
        people.qa.user,
        "staging:1",
        "staging:2",
        "compare-document",
        resource="content",
        id="mail",
    )
    told = page.partition("tc-diff")[2].partition("</pre>")[0]
    assert "-line 20 &lt;b&gt;" in told
    assert "+and one more" in told
    # What is far from the change is in the whole texts alone.
    assert "line 30" not in told
    assert "line 30 &lt;b&gt;" in page


def test_a_flow_is_shown_as_its_picture_before_and_after(
    people: People, staging: Environment, see: See
) -> None:
    def graph(method: str) -> str:
        return encode_field(
            {
                "flowGraph": {
                    "nodes": [node("n1", "Start", {}), node("n2", "Call", {"method": method})],
                    "edges": [{"id": "e", "source": "n1", "target": "n2"}],
                }
            }
        )

    def node(key: str, name: str, init: dict[str, object]) -> dict[str, object]:
        data = {"spec": {"init": init}, "metadata": {"name": name}}
        return {"id": key, "position": {"x": 0, "y": 0}, "data": data}

    for method in ("get", "post"):
        flow = {"id": "f", "name": "CRM sync", "production": graph(method)}
        put(staging, "flow", "f", json.dumps(flow))
        rule = {"id": "r", "name": "Runs it", "enabled": True, "flow": {"id": "f", "name": "x"}}
        put(staging, "rule", "r", json.dumps(rule))
        capture(people.qa, staging)
    listed = see(people.qa.user, "staging:1", "staging:2")
    assert "“Call”: method “get” → “post”" in listed
    assert "Touches" in listed
    assert "Runs it" in listed
    page = see(
        people.qa.user, "staging:1", "staging:2", "compare-document", resource="flow", id="f"
    )
    assert page.count("<svg") >= 2
    assert "1 node changed" in page or "changed" in page
    assert " style=" not in page
    way = see(people.qa.user, "staging:1", "staging:2", "compare-way")
    assert "Runs it" in way
    assert "CRM sync" in way
    # What another rule of the same flow waits for is there too, and not taken for missing.
    assert "missing" not in way


def test_equal_sides_say_so(two_builds: Environment, people: People, see: See) -> None:
    assert "Both are equal" in see(people.qa.user, "staging:2", "staging:2")


def test_staging_as_it_is_now_is_read_and_nothing_is_kept(
    two_builds: Environment, people: People, see: See
) -> None:
    kept = Blob.objects.count(), StoredTree.objects.count()
    assert "Both are equal" in see(people.qa.user, "staging:2", "staging:now")
    doc_id = edit(two_builds, "segment", name="Edited since")
    text = see(people.qa.user, "staging:2", "staging:now")
    assert "Edited since" in text
    page = see(
        people.qa.user,
        "staging:2",
        "staging:now",
        "compare-document",
        resource="segment",
        id=doc_id,
    )
    assert "renamed from" in page
    assert (Blob.objects.count(), StoredTree.objects.count()) == kept


def test_what_is_live_is_compared_with_a_build(
    two_builds: Environment, people: People, production: Environment, see: See
) -> None:
    text = see(people.admin.user, "production:live", "staging:2", expected="400")
    assert "Nothing of this console is live in Production" in text
    run_adopt(adopt(people.admin, production))
    text = see(people.admin.user, "production:live", "staging:2")
    assert "Production, generation" in text
    assert "Edited rule" in text
    assert "Both are equal" in see(people.admin.user, "production:live", "production:now")


def test_a_document_that_came_back_under_another_id_is_renamed(
    people: People, staging: Environment, see: See
) -> None:
    rule = {"name": "Rule", "enabled": True, "tags": ["x"], "description": "Of its own kind"}
    put(staging, "rule", "old-id", json.dumps({"id": "old-id", **rule}))
    capture(people.qa, staging)
    index = staging.naming.concrete("rule")
    connect(staging.cluster).request("DELETE", f"/{index}/_doc/old-id")
    put(staging, "rule", "new-id", json.dumps({"id": "new-id", **rule, "name": "Renamed rule"}))
    capture(people.qa, staging)
    text = see(people.qa.user, "staging:1", "staging:2")
    assert "its id was" in text
    assert "renamed from “Rule” to “Renamed rule”" in text
    page = see(
        people.qa.user,
        "staging:1",
        "staging:2",
        "compare-document",
        resource="rule",
        id="new-id",
        was="old-id",
    )
    assert 'id="f-name"' in page


@pytest.mark.parametrize(
    "ref",
    ["", "staging", "staging:", ":1", "staging:x", "staging:99", f"staging:{9**40}", "staging:-1"],
)
def test_what_names_nothing_is_told(
    two_builds: Environment, people: People, see: See, ref: str
) -> None:
    if ref:
        see(people.qa.user, ref, "staging:1", expected="400")
    else:
        text = see(people.qa.user, ref, "staging:1")
        assert "Choose what to compare." in text


def test_what_one_may_not_see_is_not_there(
    two_builds: Environment, people: People, see: See
) -> None:
    secret = make_staging(two_builds.cluster.url, "other")
    try:
        see(people.qa.user, "staging:1", f"{secret.slug}:now", expected="404")
        see(people.marketing.user, "staging:1", "staging:2", expected="403")
    finally:
        remove(secret, connect(secret.cluster))


def test_a_cluster_that_does_not_answer_is_told(
    two_builds: Environment, people: People, see: See
) -> None:
    Cluster.objects.update(url="http://127.0.0.1:9")
    text = see(people.qa.user, "staging:1", "staging:now", expected="503")
    assert "cannot be reached" in text


def diff(*words: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it printed, errors included."""
    out = io.StringIO()
    try:
        call_command("diff", *words, "--as", "qa", stdout=out, stderr=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command_tells_the_same(two_builds: Environment) -> None:
    code, text = diff("staging:1", "staging:2")
    assert code == 0
    assert text.startswith("Staging build 1 → Staging build 2: 1 added, 2 changed.")
    assert "credentials / production / password: secret changed" in text
    code, stat = diff("staging:1", "staging:2", "--stat")
    assert code == 0
    assert "  segment                    +1 ~0 -0  noise 0\n" in stat
    assert "password" not in stat
    code, raw = diff("staging:1", "staging:2", "--json")
    found = {one["id"]: one for one in json.loads(raw)["documents"]}
    assert found["api"]["fields"] == [
        {
            "place": "credentials.production.password",
            "change": "changed",
            "before": "••••••",
            "after": "••••••",
        }
    ]
    assert "both are equal" in diff("staging:1", "staging:1")[1]
    assert not any(SECRET in one for one in (text, stat, raw))


def test_the_command_says_what_is_wrong(two_builds: Environment) -> None:
    assert diff("staging:1", "rubbish")[0] == 2
    assert diff("staging:1", "elsewhere:2")[0] == 2
    assert diff("staging:1", "staging:7")[0] == 2
    Cluster.objects.update(url="http://127.0.0.1:9")
    code, text = diff("staging:1", "staging:now", "--json")
    assert (code, json.loads(text)["status"]) == (1, "errored")
