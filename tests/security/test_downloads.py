"""What is downloaded is named and filled so that no payload changes an answer, or runs there."""

import csv
import io
import json
import re
import zipfile

import pytest
from django.urls import reverse

from accounts.audit import record
from environments.models import Cluster, Environment
from promotion.suites import keep_test, make_suite
from promotion.workflow_files import load
from tests.factories import People, enter, make_people
from tests.security.payloads import PAYLOADS, Places
from tests.security.typed import fitting, workflow

pytestmark = pytest.mark.django_db
# The whole header: no quote, line break or folder in a name.
ATTACHED = re.compile(r'attachment; filename="[A-Za-z0-9][A-Za-z0-9._-]*"')
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


@pytest.fixture
def staging() -> Environment:
    """A staging environment whose cluster nobody asks."""
    cluster = Cluster.objects.create(name="C", url="http://127.0.0.1:9")
    return Environment.objects.create(
        name="Staging", slug="staging", cluster=cluster, version="0.8.1", tenant="a", kind="staging"
    )


@pytest.fixture
def people(staging: Environment) -> People:
    return make_people(staging)


def test_the_name_of_a_downloaded_suite_holds_nothing_of_a_header(
    people: People, staging: Environment
) -> None:
    browser, tried = enter(people.qa.user), 0
    for name in fitting(Places(), "suite", 80):
        suite = make_suite(people.qa, staging, name)
        answer = browser.get(reverse("promotion:export-suite", args=[suite.pk]), secure=True)
        assert ATTACHED.fullmatch(answer["Content-Disposition"]), name
        assert answer["Content-Type"] == "application/zip"
        assert "X-Injected" not in answer
        tried += 1
    assert tried > 40


def test_the_files_of_a_downloaded_suite_stay_in_its_folder_and_hold_what_was_typed(
    people: People, staging: Environment
) -> None:
    suite, names = make_suite(people.qa, staging, "Shop"), list(fitting(Places(), "test", 120))
    for version, name in enumerate(names, 1):
        keep_test(people.qa, suite, workflow(name, ["a"], name, name), version=version)
    address = reverse("promotion:export-suite", args=[suite.pk])
    answer = enter(people.qa.user).get(address, secure=True)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        files = archive.namelist()
        assert all(re.fullmatch(r"[a-z0-9-]+\.yaml", file) for file in files)
        held = [load(archive.read(file).decode()).name for file in files]
    assert len(set(files)) == len(names)
    assert sorted(held) == sorted(name.strip() for name in names)


def test_an_audit_trail_is_no_formula_in_a_spreadsheet_and_one_line_an_event_as_json(
    people: People, staging: Environment
) -> None:
    texts = [one for one in PAYLOADS if "\0" not in one]
    for text in texts:
        record(people.admin, "x", staging, reason=text, detail={text: text})
    browser = enter(people.admin.user)
    pages = {}
    for form in ("csv", "jsonl"):
        answer = browser.get(reverse("export-audit", args=[form]), secure=True)
        assert ATTACHED.fullmatch(answer["Content-Disposition"])
        pages[form] = b"".join(answer).decode()
    rows = list(csv.DictReader(io.StringIO(pages["csv"], newline="")))
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(FORMULAS)]
    reasons = [row["reason"] for row in rows][-len(texts) :]
    assert all(cell.endswith(text) for cell, text in zip(reasons, texts, strict=True))
    lines = pages["jsonl"].split("\n")
    assert [json.loads(line)["reason"] for line in lines if line][-len(texts) :] == texts
