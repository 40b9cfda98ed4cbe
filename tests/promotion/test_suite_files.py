"""A suite as a folder of YAML files, by the commands."""

from pathlib import Path

import pytest

from accounts.models import AuditEvent
from environments.models import Environment
from promotion.models import Suite
from promotion.workflow_files import dump
from tests.factories import People
from tests.promotion.test_review import run
from tests.promotion.test_workflows import purchase

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("people")]


def take(folder: Path, user: str = "qa") -> tuple[int, dict[str, object]]:
    return run("import-suite", "staging", "Shop", str(folder), "--as", user)


def test_a_folder_becomes_a_suite_and_the_suite_that_folder(
    people: People, staging: Environment, tmp_path: Path
) -> None:
    source, back = tmp_path / "one", tmp_path / "two"
    source.mkdir()
    names = ["A purchase", "A: purchase", "Große Bestellung", "日本"]
    for place, name in enumerate(names):
        (source / f"{place}.yaml").write_text(dump(purchase(name)), encoding="utf-8")
    (source / "README.md").write_text("Ours")
    code, answer = take(source)
    assert (code, answer["tests"], answer["changes"]) == (0, names, 4)
    code, answer = run("export-suite", "staging", "Shop", str(back), "--as", "qa")
    assert (code, answer["others"]) == (0, [])
    files = sorted(back.iterdir())
    assert len(files) == 4
    texts = {path.read_text(encoding="utf-8") for path in files}
    assert texts == {dump(purchase(name)) for name in names}
    # Again there is nothing to change, and what is written is the same to the byte.
    code, answer = take(back)
    assert (code, answer["changes"]) == (0, 0)
    (source / "0.yaml").unlink()
    (source / "1.yaml").write_text(dump(purchase("A: purchase", 90)), encoding="utf-8")
    code, answer = take(source)
    # One went and one is another.
    assert (code, answer["changes"]) == (0, 2)
    code, answer = run("export-suite", "staging", "Shop", str(back), "--as", "qa")
    assert answer["others"] == ["a-purchase-" + one for one in _hashes(files)]


def _hashes(files: list[Path]) -> list[str]:
    """Return how the names end of the two that look alike, but for the one that stays."""
    return [path.name.removeprefix("a-purchase-") for path in files if path.name.startswith("a-p")]


def test_one_bad_file_changes_nothing_and_each_is_named(
    people: People, staging: Environment, tmp_path: Path
) -> None:
    good = dump(purchase())
    (tmp_path / "good.yaml").write_text(good)
    assert take(tmp_path)[0] == 0
    (tmp_path / "good.yaml").write_text(dump(purchase("Another")))
    (tmp_path / "bad.yaml").write_text("name: [")
    (tmp_path / "twice.yml").write_text(dump(purchase("Another")))
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    code, answer = take(tmp_path)
    message = str(answer["message"])
    assert code == 2
    for words in ("bad.yaml: Line", "bytes.yaml: The file is no UTF-8", "twice.yml: good.yaml has"):
        assert words in message
    assert [one.name for one in Suite.objects.get().tests] == ["A purchase of 250"]


def test_what_is_not_there_and_who_may_not_are_told(
    people: People, staging: Environment, tmp_path: Path
) -> None:
    code, answer = take(tmp_path)
    assert (code, "holds no file" in str(answer["message"])) == (2, True)
    assert take(tmp_path / "nowhere")[0] == 2
    (tmp_path / "good.yaml").write_text(dump(purchase()))
    assert take(tmp_path, "marketing")[0] == 3
    assert not Suite.objects.exists()
    assert run("export-suite", "staging", "Nothing", str(tmp_path), "--as", "qa")[0] == 2
    code, answer = run("import-suite", "production", "Shop", str(tmp_path), "--as", "administrator")
    assert (code, "is production" in str(answer["message"])) == (3, True)
    kept = AuditEvent.objects.filter(action="suite.change").values_list("outcome", flat=True)
    assert sorted(kept) == ["failed", "refused"]
