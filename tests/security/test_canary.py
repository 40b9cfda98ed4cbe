"""Secrets never appear: marked ones are planted everywhere, and whatever leaves is searched."""

import base64
import io
import json
import logging
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from environments.documents import encode_field
from environments.elastic import connect
from environments.models import Cluster, Environment
from promotion.adoption import adopt, run_adopt
from promotion.drift import check
from promotion.live import finish
from promotion.locking import unlock
from promotion.models import Promotion
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.services import capture
from tests.factories import (
    People,
    approved,
    enter,
    make_staging,
    put,
    remove,
)
from tests.security.matrix import ROWS
from tests.security.tally import CANARIES, Record

pytestmark = pytest.mark.django_db(transaction=True)

# No page, log or row may hold this, in whatever form it is kept.
CANARY = "canary7f3a"
PACKED = re.compile(rb"H4sI[A-Za-z0-9+/]{16,}={0,2}")
WHICH = ("before", "after", "by-hand")


def canary(place: str, which: str) -> str:
    return f"{CANARY}-{place}-{which}"


def planted(which: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (resource, id, source) of documents with a secret in each place that holds one."""
    halves = {
        half: {"url": "https://crm.example", "password": canary(half, which), "token": ""}
        for half in ("production", "test")
    }
    headers = {"X-Api-Key": canary("headers", which)}
    yield (
        "resource",
        "canary-api",
        {
            "id": "canary-api",
            "name": "API",
            "credentials": encode_field(halves),
            "destination": encode_field({"init": {"headers": headers}}),
        },
    )
    node = {
        "id": "n1",
        "position": {"x": 0, "y": 0},
        "data": {
            "metadata": {"name": "Call"},
            "spec": {
                "init": {
                    "headers": headers,
                    "body": {"type": "text/plain", "content": canary("body", which)},
                    "options": json.dumps({"password": canary("json", which)}),
                    "url": f"https://user:{canary('url', which)}@crm.example/",
                    "source": {"id": "canary-api", "name": "API"},
                },
                "microservice": {
                    "server": {
                        "credentials": {
                            "production": {"key": canary("plugin", which)},
                            "test": {"key": canary("plugin-test", which)},
                        }
                    },
                    "plugin": {"resource": {"anything": canary("remote", which)}},
                },
            },
        },
    }
    graph = encode_field({"flowGraph": {"nodes": [node], "edges": []}})
    versions = dict.fromkeys(("production", "draft", "backup"), graph)
    yield "flow", "canary-flow", {"id": "canary-flow", "name": "Canary flow", **versions}
    inner = {"package": "a.b.C", "init": {"headers": headers, "timeout": 3}}
    yield (
        "destination",
        "canary-destination",
        {
            "id": "canary-destination",
            "name": "Destination",
            "destination": encode_field(inner),
            "resource": {"id": "canary-api"},
        },
    )
    yield (
        "setting",
        "canary-setting",
        {
            "id": "canary-setting",
            "name": "Setting",
            "content": {"field": canary("setting", which)},
            "config": {"key": canary("config", which)},
        },
    )


def plant(environment: Environment, which: str) -> None:
    for resource, doc_id, source in planted(which):
        put(environment, resource, doc_id, json.dumps(source))


@pytest.fixture
def staging(elasticsearch_url: str) -> Iterator[Environment]:
    made = make_staging(elasticsearch_url)
    # The stored secret of a cluster; this engine asks for none.
    Cluster.objects.update(authentication="basic", username="elastic")
    cluster = Cluster.objects.get()
    cluster.secret = canary("cluster", "before")
    cluster.save()
    made.refresh_from_db()
    yield made
    remove(made, connect(made.cluster))


@pytest.fixture
def lived(
    people: People, staging: Environment, production: Environment, caplog: pytest.LogCaptureFixture
) -> Promotion:
    """Two builds of which the second went live, and an edit by hand after it."""
    caplog.set_level(logging.DEBUG)
    plant(staging, "before")
    capture(people.qa, staging)
    run_adopt(adopt(people.admin, production))
    plant(staging, "after")
    build = approved(people, staging)
    ready = prepare(build, production)
    consents = [finding["code"] for finding in ready.consents_due]
    made = promote(
        people.admin, build, production, plan_digest=ready.plan_digest, consents=consents
    )
    finish(made)
    unlock(people.admin, production, "An edit by hand")
    plant(production, "by-hand")
    check(production)
    return made


def leaks(raw: bytes) -> bool:
    """Answer whether a planted secret is in bytes, plain or as Tracardi packs its fields."""
    if CANARY.encode() in raw:
        return True
    for found in PACKED.findall(raw):
        try:
            plain = zlib.decompressobj(wbits=31).decompress(base64.b64decode(found + b"=="))
        except (ValueError, zlib.error):
            continue
        if CANARY.encode() in plain:
            return True
    return False


def test_the_search_finds_what_it_is_to_find() -> None:
    assert leaks(json.dumps({"a": canary("x", "y")}).encode())
    assert leaks(json.dumps({"a": encode_field({"b": canary("x", "y")})}).encode())
    assert not leaks(b"nothing of it")


def addresses(lived: Promotion) -> Iterator[str]:
    """Yield every page that is looked at, of the objects that hold what was planted."""
    things: dict[str, list[list[object]]] = {
        "-": [[]],
        "staging": [["staging"]],
        "production": [["production"]],
        "build": [["staging", 1], ["staging", 2]],
        "went": [[one.pk] for one in Promotion.objects.all()],
        "cluster": [[Cluster.objects.get().pk]],
        "environment": [[one.pk] for one in Environment.objects.all()],
    }
    for name, row in sorted(ROWS.items()):
        for args in things.get(row.thing, []) if row.is_read else []:
            yield reverse(name, args=args)
    for resource, doc_id, _ in planted("any"):
        for slug in ("staging", "production"):
            yield reverse("environments:documents", args=[slug, resource])
            page = reverse("environments:document", args=[slug, resource, doc_id])
            yield page
            yield f"{page}?text"
        for number in (1, 2):
            page = reverse("promotion:document", args=["staging", number, resource])
            yield f"{page}?id={quote(doc_id)}"
        for before, after in COMPARED:
            query = f"before={before}&after={after}&resource={resource}&id={quote(doc_id)}"
            yield f"{reverse('promotion:compare-document')}?{query}"
    for before, after in COMPARED:
        for name in ("compare", "compare-way"):
            yield f"{reverse(f'promotion:{name}')}?before={before}&after={after}"


COMPARED = (
    ("staging:1", "staging:2"),
    ("production:live", "production:now"),
    ("staging:now", "production:now"),
)


def test_no_page_shows_a_secret_to_any_role(
    lived: Promotion, people: People, plain_static_files: None, record_property: Record
) -> None:
    looked = {200: 0, 302: 0, 400: 0, 403: 0, 404: 0}
    for actor in (people.admin, people.qa, people.marketing):
        client = enter(actor.user)
        for address in addresses(lived):
            answer = client.get(address, secure=True)
            assert answer.status_code in looked, address
            looked[answer.status_code] += 1
            body = b"".join(answer) if answer.streaming else answer.content
            assert not leaks(body), address
            # Nor the tags by which two secrets are told apart.
            assert "••••••·".encode() not in body, address
    record_property(CANARIES, sum(looked.values()))
    assert looked[200] > 100


def test_a_changed_secret_is_shown_as_changed(
    lived: Promotion, people: People, plain_static_files: None
) -> None:
    client = enter(people.qa.user)
    address = reverse("promotion:compare")
    page = client.get(address, {"before": "staging:1", "after": "staging:2"}, secure=True)
    text = page.content.decode()
    for place in ("production / password", "test / password"):
        assert f"credentials / {place}: secret changed" in text
    assert "secret changed" in text.partition("canary-flow")[2]


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("diff", "staging:1", "staging:2", "--as", "qa"),
    ("diff", "staging:1", "production:now", "--json", "--as", "qa"),
    ("plan", "staging:1", "production", "--json", "--as", "qa"),
    ("environments", "--as", "qa"),
    ("drift", "production", "--json", "--as", "administrator"),
    ("bundle", "staging:2", "BUNDLE", "--as", "administrator", "--passphrase-file", "PASSPHRASE"),
    ("export", "staging:2", "EXPORT", "--as", "qa"),
    ("export", "production:1", "EXPORT", "--as", "qa"),
)


def test_no_file_and_no_command_holds_a_secret(
    lived: Promotion, tmp_path: Path, record_property: Record
) -> None:
    (tmp_path / "PASSPHRASE").write_text("a long passphrase\n")
    for command in COMMANDS:
        out = io.StringIO()
        words = [str(tmp_path / one) if one.isupper() else one for one in command]
        try:
            call_command(*words, stdout=out, stderr=out)
        except SystemExit as end:
            # Drift is there, and `drift` says so.
            assert command[0] in {"drift", "plan"} or not end.code, (command, out.getvalue())
        assert not leaks(out.getvalue().encode()), command
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    record_property(CANARIES, len(files) + len(COMMANDS))
    assert len(files) > 20
    for path in files:
        assert not leaks(path.read_bytes()), path


def test_no_log_line_holds_a_secret(
    lived: Promotion, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    # The client's own bodies are at a level that is not logged, whatever the console's is.
    lines = [
        record.getMessage()
        for record in caplog.get_records("setup")
        if logging.getLogger(record.name).getEffectiveLevel() <= record.levelno
    ]
    assert lines
    assert not any(leaks(line.encode()) for line in lines)
    out, err = capfd.readouterr()
    assert not leaks((out + err).encode())


def test_the_database_holds_no_secret_in_clear(lived: Promotion) -> None:
    tables = connection.introspection.table_names()
    rows = 0
    for table in tables:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor:
                rows += 1
                for value in row:
                    raw = bytes(value) if isinstance(value, bytes | memoryview) else b""
                    assert not leaks(raw or str(value).encode()), table
    assert rows > 300
    if connection.vendor == "sqlite":
        # What was deleted too, and what the journal still has.
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA database_list")
            path = Path(cursor.fetchone()[2])
        for file in path.parent.glob(f"{path.name}*"):
            assert not leaks(file.read_bytes()), file
