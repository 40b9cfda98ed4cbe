"""What is wrong with an environment is said in words, and nothing is changed."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from environments.elastic import Connection, connect
from environments.models import Cluster, Environment
from promotion.adoption import adopt, run_adopt
from promotion.engine.errors import AccessDenied, CaptureUnsettled, PreflightFailed
from promotion.models import Build, Promotion, Review, StoredGeneration
from promotion.planning import indices_of
from promotion.preparing import prepare
from promotion.services import capture, review
from promotion.writer import ClusterWriter
from tests.factories import People
from tests.promotion.conftest import Put

pytestmark = pytest.mark.django_db(transaction=True)


def approve(people: People, build: Build) -> Build:
    review(people.qa, build, Review.Verdict.APPROVED, content=build.content)
    return build


def shape(environment: Environment) -> dict[str, tuple[str, ...]]:
    writer = ClusterWriter(connect(environment.cluster))
    return {name: state.aliases for name, state in indices_of(writer, environment).items()}


def test_an_index_that_tracardi_does_not_have_stops_an_adoption(
    people: People, production: Environment, engine: Connection
) -> None:
    stranger = f"prod-08x.{production.tenant}.tracardi-surprise"
    engine.request("PUT", f"/{stranger}")
    before = shape(production)
    with pytest.raises(PreflightFailed, match="no such index"):
        run_adopt(adopt(people.admin, production))
    assert shape(production) == before
    assert Promotion.objects.get().status == "failed"
    # Saving goes on: nothing was left blocked.
    engine.request("PUT", f"/{production.naming.concrete('segment')}/_doc/x", body={"name": "x"})


def test_a_missing_index_stops_an_adoption(
    people: People, production: Environment, engine: Connection
) -> None:
    engine.request("DELETE", f"/{production.naming.concrete('rule')}")
    with pytest.raises(PreflightFailed, match="No index has the alias"):
        run_adopt(adopt(people.admin, production))
    assert StoredGeneration.live_in(production) is None


def test_that_no_index_is_there_is_said_once(
    people: People, production: Environment, engine: Connection
) -> None:
    naming = production.naming
    gone = ",".join(naming.concrete(one.name) for one in naming.catalogue.promoted)
    engine.request("DELETE", f"/{gone}")
    with pytest.raises(PreflightFailed) as caught:
        run_adopt(adopt(people.admin, production))
    [finding] = caught.value.findings
    assert finding.code == "set-missing"
    words = f"None of the 20 indices of tenant {naming.tenant}, version 0.8.1, production, is there"
    assert str(caught.value).startswith(f"{words}. Nothing was changed. If tenant or version")
    detail = Promotion.objects.get().steps.get(status="failed").detail
    assert detail.count("None of the 20") == 1
    assert detail.endswith("makes its indices.")


def test_of_many_wrong_aliases_the_first_are_told_and_the_rest_is_counted(
    people: People, production: Environment, engine: Connection
) -> None:
    naming = production.naming
    gone = ",".join(naming.concrete(one.name) for one in naming.catalogue.promoted[:12])
    engine.request("DELETE", f"/{gone}")
    with pytest.raises(PreflightFailed) as caught:
        run_adopt(adopt(people.admin, production))
    assert len(caught.value.findings) == 12
    assert str(caught.value).count("No index has the alias") == 3
    assert "9 more of the 20 are not right either. Nothing was changed." in str(caught.value)


def test_an_alias_at_event_data_stops_an_adoption(
    people: People, production: Environment, engine: Connection
) -> None:
    naming = production.naming
    actions = [
        {"remove": {"index": naming.concrete("rule"), "alias": naming.alias("rule")}},
        {"add": {"index": naming.partition("event", "2026-11"), "alias": naming.alias("rule")}},
    ]
    engine.request("POST", "/_aliases", body={"actions": actions})
    before = shape(production)
    with pytest.raises(PreflightFailed, match="not an index of rule"):
        run_adopt(adopt(people.admin, production))
    assert shape(production) == before


def test_a_mapping_that_differs_stops_a_preparation(
    people: People, staging: Environment, production: Environment, engine: Connection, put: Put
) -> None:
    run_adopt(adopt(people.admin, production))
    index = staging.naming.concrete("segment")
    more = {"properties": {"flavour": {"type": "keyword"}}}
    engine.request("PUT", f"/{index}/_mapping", body=more)
    put("segment", "new", '{"name": "New", "flavour": "x"}')
    build = approve(people, capture(people.qa, staging))
    before = shape(production)
    with pytest.raises(PreflightFailed, match="mapping of segment"):
        prepare(build, production)
    assert shape(production) == before
    assert Promotion.objects.filter(kind="prepare").get().status == "failed"


def test_an_empty_staging_is_never_prepared(
    people: People, staging: Environment, production: Environment, engine: Connection
) -> None:
    run_adopt(adopt(people.admin, production))
    indices = ",".join(staging.naming.concrete(r.name) for r in staging.catalogue.promoted)
    engine.request("POST", f"/{indices}/_refresh")
    for doc_index in indices.split(","):
        for doc_id, _source in list(ClusterWriter(engine).read(doc_index)):
            engine.request("POST", f"/{doc_index}/_bulk", body=_delete(doc_id))
    build = approve(people, capture(people.qa, staging))
    with pytest.raises(PreflightFailed, match="no document at all"):
        prepare(build, production)


def _delete(doc_id: str) -> str:
    return json.dumps({"delete": {"_id": doc_id}}) + "\n"


def test_staging_that_never_rests_is_not_captured_half(
    people: People, staging: Environment, put: Put
) -> None:
    stop = threading.Event()

    def edit() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            put("segment", "busy", f'{{"name": "v{number}"}}')

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        with pytest.raises(CaptureUnsettled, match="kept changing"):
            for _ in range(20):
                # A single capture may fall into a pause of the writer, and is then right.
                capture(people.qa, staging)
    finally:
        stop.set()
        editor.join()


class _Locked(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def locked_door() -> Iterator[str]:
    """The address of something that refuses every password, as a secured cluster does."""
    server = HTTPServer(("127.0.0.1", 0), _Locked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_wrong_credentials_are_said_so_and_show_no_secret(
    people: People, staging: Environment, locked_door: str
) -> None:
    staging.cluster = Cluster.objects.create(
        name="Locked",
        url=locked_door,
        authentication="basic",
        username="console",
        secret="not-the-one",
    )
    with pytest.raises(AccessDenied) as refusal:
        capture(people.qa, staging)
    assert "not-the-one" not in str(refusal.value)
    assert not Build.objects.exists()
