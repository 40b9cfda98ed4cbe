"""A build leaves as a file and comes back, on the command line and the real engine."""

import io
import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from pytest_django import Settings

from accounts.models import AuditEvent
from environments.documents import encode_field
from environments.models import Environment
from promotion.live import finish
from promotion.models import Build, Review
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.services import capture, review
from tests.factories import People, approved, served
from tests.promotion.conftest import Put

pytestmark = pytest.mark.django_db
SECRET = "hunter2-planted"
PASSPHRASE = "correct horse battery"


@pytest.fixture
def build(people: People, staging: Environment, put: Put) -> Build:
    credentials = encode_field({"production": {"password": SECRET}, "test": {}})
    put("resource", "api", json.dumps({"id": "api", "name": "API", "credentials": credentials}))
    return approved(people, staging)


@pytest.fixture
def passphrase(tmp_path: Path) -> str:
    file = tmp_path / "passphrase"
    file.write_text(f"{PASSPHRASE}\n")
    return str(file)


def run(*words: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command(*words, stdout=out, stderr=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def bundled(folder: Path, passphrase: str) -> Path:
    file = folder / "one.bundle"
    code, words = run(
        "bundle", "staging:1", str(file), "--as", "administrator", "--passphrase-file", passphrase
    )
    assert code == 0, words
    return file


def test_a_build_with_secrets_needs_a_passphrase(build: Build, tmp_path: Path) -> None:
    file = tmp_path / "one.bundle"
    code, words = run("bundle", "staging:1", str(file), "--as", "administrator")
    assert code == 3
    assert "holds secrets in" in words
    assert not file.exists()


def test_it_comes_back_equal_and_its_verdict_holds(
    build: Build, people: People, tmp_path: Path, passphrase: str
) -> None:
    file = bundled(tmp_path, passphrase)
    assert SECRET.encode() not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    code, words = run("import", str(file), "staging", "--as", "qa", "--passphrase-file", passphrase)
    assert code == 0, words
    made = Build.objects.get(number=2)
    assert (made.kind, made.content, made.exact) == ("imported", build.content, build.exact)
    assert made.same_as == build
    assert made.origin is not None
    assert made.origin["reviews"][0]["verdict"] == "approved"
    assert AuditEvent.objects.filter(action="build.import").exists()
    assert AuditEvent.objects.filter(action="build.bundle").exists()


def test_in_another_console_it_waits_for_qa_there_and_is_promoted_to_the_byte(
    build: Build,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    tmp_path: Path,
    passphrase: str,
    settings: Settings,
) -> None:
    wanted = {r.name: served(staging, r.name) for r in staging.catalogue.promoted}
    file = bundled(tmp_path, passphrase)
    put("rule", "later", json.dumps({"id": "later", "name": "Made later"}))
    # Another console: it has another key, and has never seen that build.
    Review.objects.all().delete()
    settings.ENCRYPTION_KEYS = [*settings.ENCRYPTION_KEYS, Fernet.generate_key().decode()]
    words_of = ["import", str(file), "staging", "--as", "qa", "--passphrase-file", passphrase]
    code, words = run(*words_of)
    assert code == 3
    assert "signed by another console" in words
    assert Build.objects.filter(kind="imported").count() == 0
    signer = words.split("another console, ")[1][:39]
    assert run(*words_of, "--trust", signer)[0] == 0
    made = Build.objects.get(kind="imported")
    assert made.review is None
    review(people.qa, made, Review.Verdict.APPROVED, content=made.content)
    ready = prepare(made, adopted)
    consents = [finding["code"] for finding in ready.consents_due]
    done = promote(people.admin, made, adopted, plan_digest=ready.plan_digest, consents=consents)
    assert finish(done).status == "succeeded"
    for name, documents in wanted.items():
        live = served(adopted, name)
        assert set(live) == set(documents)
    assert served(adopted, "resource")["api"] == wanted["resource"]["api"]


def test_a_capture_after_an_import_reads_what_staging_holds(
    build: Build, people: People, staging: Environment, put: Put, tmp_path: Path, passphrase: str
) -> None:
    file = bundled(tmp_path, passphrase)
    put("rule", "later", json.dumps({"id": "later", "name": "Made later"}))
    assert capture(people.qa, staging).number == 2
    run("import", str(file), "staging", "--as", "qa", "--passphrase-file", passphrase)
    again = capture(people.qa, staging)
    assert again.content == Build.objects.get(number=2).content != build.content


def test_what_is_wrong_is_told_and_nothing_is_kept(
    build: Build, staging: Environment, tmp_path: Path, passphrase: str
) -> None:
    file = bundled(tmp_path, passphrase)
    as_qa = ["--as", "qa"]
    cut = tmp_path / "cut.bundle"
    cut.write_bytes(file.read_bytes()[:-1])
    empty = tmp_path / "empty"
    empty.write_text("")
    assert run("import", str(cut), "staging", *as_qa)[0] == 3
    assert run("import", str(file), "staging", *as_qa)[0] == 3
    assert run("import", str(tmp_path / "none"), "staging", *as_qa)[0] == 2
    assert run("import", str(file), "elsewhere", *as_qa)[0] == 2
    assert run("import", str(file), "staging", "--passphrase-file", str(empty), *as_qa)[0] == 2
    assert run("import", str(file), "staging", "--as", "marketing")[0] == 3
    assert run("bundle", "staging:1", str(file), "--as", "administrator")[0] == 2
    assert run("bundle", "staging:1", str(tmp_path / "new"), "--as", "qa")[0] == 3
    Environment.objects.filter(pk=staging.pk).update(version="0.8.2")
    opened = ["--passphrase-file", passphrase]
    assert run("import", str(file), "staging", *opened, *as_qa)[0] == 3
    assert Build.objects.count() == 1
