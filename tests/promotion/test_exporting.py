"""A build as files in a folder, on the real engine."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from environments.documents import encode_field
from environments.elastic import Connection
from environments.models import Environment
from promotion.services import capture
from tests.factories import People
from tests.promotion.conftest import Put

pytestmark = pytest.mark.django_db
SECRET = "hunter2-planted"


def export(folder: Path, build: str = "staging:1") -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("export", build, str(folder), "--as", "qa", stdout=out, stderr=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def held(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def credentials(password: str, saved: int = 0) -> str:
    halves = encode_field({"production": {"password": password}, "test": {}}, mtime=saved)
    return json.dumps({"id": "api", "name": "API", "timestamp": saved, "credentials": halves})


@pytest.fixture
def two(people: People, staging: Environment, put: Put) -> None:
    """Two builds whose content is equal, and which differ by noise."""
    put("resource", "api", credentials(SECRET))
    capture(people.qa, staging)
    put("resource", "api", credentials(SECRET, saved=7))
    capture(people.qa, staging)


def test_equal_content_gives_equal_bytes_and_no_secret(two: None, tmp_path: Path) -> None:
    assert export(tmp_path / "one")[0] == 0
    assert export(tmp_path / "two", "staging:2")[0] == 0
    files = held(tmp_path / "one")
    assert files == held(tmp_path / "two")
    assert SECRET.encode() not in b"".join(files.values())
    api = json.loads(files["resource/api.json"])
    assert set(api["document"]["credentials"]) == {"production", "test"}
    flows = [body for path, body in files.items() if path.startswith("flow/")]
    # Decoded, so that a change is a change of a line.
    assert all(b'"flowGraph": {' in body for body in flows)


def test_another_export_replaces_the_one_before_and_leaves_gits_own(
    two: None, people: People, staging: Environment, engine: Connection, put: Put, tmp_path: Path
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref")
    export(tmp_path)
    before = held(tmp_path)
    put("resource", "api", credentials("another"))
    put("segment", "new%2Fone", json.dumps({"id": "new/one", "name": "New"}))
    rule = next(path for path in before if path.startswith("rule/"))
    doc_id = json.loads(before[rule])["id"]
    engine.request("DELETE", f"/{staging.naming.concrete('rule')}/_doc/{doc_id}")
    capture(people.qa, staging)
    code, words = export(tmp_path, "staging:3")
    assert code == 0
    assert "2 files written" in words
    assert "1 removed" in words
    after = held(tmp_path)
    assert "segment/new%2Fone.json" in after
    assert rule not in after
    # What is masked shows that it changed.
    assert before["resource/api.json"] != after["resource/api.json"]
    assert after[".git/HEAD"] == b"ref"
    assert "0 files written" in export(tmp_path, "staging:3")[1]


def test_a_folder_of_others_is_left_alone(two: None, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    code, words = export(tmp_path)
    assert code == 3
    assert "Nothing was written" in words
    assert held(tmp_path) == {"mine.txt": b"mine"}
    assert export(tmp_path / "mine.txt")[0] == 3
    assert export(tmp_path, "staging:9")[0] == 2


@pytest.mark.parametrize(
    "index",
    [
        "rubbish",
        "{}",
        '{"format": "tracardi-configuration/1", "files": {"..": ["../mine.txt"]}}',
        '{"format": "tracardi-configuration/1", "files": {"rule": ["../../mine.txt"]}}',
        '{"format": "tracardi-configuration/1", "files": {"rule": [1, null]}}',
        '{"format": "other", "files": {"rule": ["a"]}}',
    ],
)
def test_an_index_that_was_edited_removes_nothing_outside(
    two: None, tmp_path: Path, index: str
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    (folder / "configuration.json").write_text(index)
    export(folder)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_an_export_that_was_cut_short_is_done_again(two: None, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    assert export(folder)[0] == 0
    # A file where a folder belongs stops it in the middle.
    (folder / "rule").rename(folder / "elsewhere")
    (folder / "rule").write_text("in the way")
    code, words = export(folder)
    assert code == 3
    assert "export again" in words
    (folder / "rule").unlink()
    assert export(folder)[0] == 0
    assert list((folder / "rule").iterdir())
