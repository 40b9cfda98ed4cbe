"""A pair's recipe on its page and by its command: answered, kept, compared, downloaded."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from environments.models import Cluster, Environment, RecipeVersion
from environments.network.running import request_check, run_check
from environments.recipes.generate import files
from environments.recipes.services import RecipeError, save
from tests.calling import call
from tests.factories import People, enter, make_people
from tests.recipes.samples import SAMPLE, sample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]


@pytest.fixture
def staging() -> Environment:
    cluster = Cluster.objects.create(
        name="C", url="https://search.example.com:9200", authentication="basic"
    )
    facts: dict[str, Any] = {"cluster": cluster, "version": "0.8.1", "tenant": "acme"}
    production = Environment.objects.create(
        name="Shop production",
        slug="shop-production",
        kind="production",
        api_url="http://10.2.0.12:8696",
        public_url="https://collect.example.com",
        **facts,
    )
    return Environment.objects.create(
        name="Shop staging",
        slug="shop-staging",
        kind="staging",
        promotes_to=production,
        api_url="http://10.1.0.11:8680",
        **facts,
    )


@pytest.fixture
def people(staging: Environment) -> People:
    return make_people(staging)


@pytest.fixture
def admin(people: People) -> Client:
    return enter(people.admin.user)


def address(staging: Environment, name: str = "recipes", *args: Any) -> str:
    return reverse(f"environments:{name}", args=[staging.slug, *args])


def typed(version: int = 0, **changed: Any) -> dict[str, Any]:
    """Return the form as a person sends it."""
    known = {**SAMPLE.to_dict(), **changed, "version_shown": version}
    return {
        name: ", ".join(value) if isinstance(value, list) else value
        for name, value in known.items()
        if value is not False
    }


def send(client: Client, staging: Environment, **changed: Any) -> Any:
    return client.post(address(staging), typed(**changed), secure=True, follow=True)


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_form_proposes_what_the_console_knows(admin: Client, staging: Environment) -> None:
    shown = text_of(admin.get(address(staging), secure=True))
    for value in (
        "https://search.example.com:9200",
        "10.1.0.11",
        "8680",
        "10.2.0.12",
        "8696",
        "collect.example.com",
        "tracardi/com-tracardi-api:0.8.1",
        "tracardi-acme-staging",
    ):
        assert f'value="{value}"' in shown, value
    assert "Download" not in shown


def test_answers_make_a_version_with_all_files_and_leave_an_audit_event(
    admin: Client, staging: Environment
) -> None:
    shown = text_of(send(admin, staging))
    version = RecipeVersion.objects.get()
    assert "Recipe 1 of Shop staging is saved." in shown
    wanted = files(sample(staging_login="basic", production_login="basic"))
    assert version.texts == wanted
    assert list(version.texts) == list(wanted)
    for path in wanted:
        assert path in shown
    assert "policy drop;" in shown
    event = AuditEvent.objects.get(action="recipe.saved")
    assert event.outcome == "done"
    assert event.detail == {"version": 1, "files": list(wanted)}


def test_a_version_is_made_only_where_a_file_differs_and_shows_what_changed(
    admin: Client, staging: Environment
) -> None:
    send(admin, staging)
    assert "Nothing differs from Recipe 1" in text_of(send(admin, staging, version=1))
    assert RecipeVersion.objects.count() == 1
    shown = text_of(send(admin, staging, version=1, public_name="events.example.com"))
    assert RecipeVersion.objects.count() == 2
    assert "What version 2 changed" in shown
    assert 'tc-diff-line--removed">-        server_name collect.example.com;' in shown
    assert 'tc-diff-line--added">+        server_name events.example.com;' in shown
    changed = AuditEvent.objects.filter(action="recipe.saved").latest("number").detail["files"]
    assert "production/nginx.conf" in changed
    assert "staging/nftables.conf" not in changed
    old = text_of(admin.get(address(staging, "recipe-version", 1), secure=True))
    assert "server_name collect.example.com" in old
    assert "There is no version before it." in old


def test_a_wrong_answer_is_told_at_its_field_and_nothing_typed_is_lost(
    admin: Client, staging: Environment
) -> None:
    answer = send(admin, staging, staff_networks="0.0.0.0/0", public_name="collect")
    assert answer.status_code == 400
    shown = text_of(answer)
    assert "2 answers cannot be so" in shown
    assert "0.0.0.0/0 is wider than any network of one&#x27;s own. Nothing was saved." in shown
    assert 'value="0.0.0.0/0"' in shown
    assert 'value="vault: tracardi/staging"' in shown
    answer = send(admin, staging, production_api_port=8686)
    assert "Port 8686 is taken by staging api port: all ports differ." in text_of(answer)
    assert not RecipeVersion.objects.exists()


def test_a_page_that_is_old_overwrites_nothing_and_keeps_what_was_typed(
    admin: Client, staging: Environment
) -> None:
    send(admin, staging)
    answer = send(admin, staging, version=0, public_name="mine.example.com")
    shown = text_of(answer)
    assert answer.status_code == 400
    assert "Version 1 was saved meanwhile. Nothing was saved." in shown
    assert 'value="mine.example.com"' in shown
    assert RecipeVersion.objects.count() == 1
    assert AuditEvent.objects.filter(action="recipe.saved", outcome="failed").exists()
    # Sent again, it stands on the version that is shown now.
    assert 'name="version_shown" value="1"' in shown


def test_all_files_come_as_one_zip_that_is_equal_for_equal_files(
    admin: Client, staging: Environment
) -> None:
    send(admin, staging)
    answers = [admin.post(address(staging, "download-recipe", 1), secure=True) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert 'filename="shop-staging-recipe-1.zip"' in answers[0]["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answers[0].content)) as held:
        found = {name: held.read(name).decode() for name in held.namelist()}
    kept = RecipeVersion.objects.get().texts
    assert found == {f"shop-staging-recipe-1/{path}": text for path, text in kept.items()}
    events = AuditEvent.objects.filter(action="recipe.downloaded", outcome="done")
    assert [one.detail for one in events] == [{"version": 1, "file": "all"}] * 2


def test_a_file_comes_alone_under_a_name_of_its_own(admin: Client, staging: Environment) -> None:
    send(admin, staging)
    names = {}
    for path, text in RecipeVersion.objects.get().texts.items():
        answer = admin.post(address(staging, "download-recipe", 1), {"file": path}, secure=True)
        assert answer.content.decode() == text
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        names[answer["Content-Disposition"]] = path
    assert names['attachment; filename="production-env.example"'] == "production/.env.example"
    assert len(names) == len(RecipeVersion.objects.get().texts)
    unknown = admin.post(
        address(staging, "download-recipe", 1), {"file": "../../etc/passwd"}, secure=True
    )
    assert unknown.status_code == 404


def test_a_recipe_needs_a_staging_that_feeds_a_production(
    admin: Client, people: People, staging: Environment
) -> None:
    production = staging.promotes_to
    assert production is not None
    shown = text_of(admin.get(address(production), secure=True))
    assert address(staging) in shown
    Environment.objects.filter(pk=staging.pk).update(promotes_to=None)
    staging.refresh_from_db()
    assert "Shop staging promotes to nothing yet." in text_of(
        admin.get(address(staging), secure=True)
    )
    assert "No staging promotes to Shop production yet." in text_of(
        admin.get(address(production), secure=True)
    )
    with pytest.raises(RecipeError, match="promotes to nothing"):
        save(people.admin, staging, SAMPLE, shown=0)


def test_what_another_console_made_otherwise_is_said(
    admin: Client, people: People, staging: Environment
) -> None:
    made, _ = save(people.admin, staging, SAMPLE, shown=0)
    RecipeVersion.objects.filter(pk=made.pk).update(files=[["README.md", "From before"]])
    shown = text_of(admin.get(address(staging), secure=True))
    assert "This console writes some files otherwise" in shown
    RecipeVersion.objects.filter(pk=made.pk).update(answers={"tenant": "acme"})
    assert "This console writes some files otherwise" in text_of(
        admin.get(address(staging), secure=True)
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tenant": "other"}, "the tenant is acme in it, and is other by now"),
        ({"version": "0.8.2"}, "Tracardi is 0.8.1 in it, and is 0.8.2 by now"),
    ],
)
def test_a_recipe_that_was_made_before_the_environment_was_corrected_says_so(
    admin: Client,
    people: People,
    staging: Environment,
    tmp_path: Path,
    changed: dict[str, str],
    words: str,
) -> None:
    save(people.admin, staging, SAMPLE, shown=0)
    assert "was corrected" not in text_of(admin.get(address(staging), secure=True))
    assert run("shop-staging", "--out", str(tmp_path / "before"))[0] == 0
    Environment.objects.filter(pk=staging.pk).update(**changed)
    shown = text_of(admin.get(address(staging), secure=True))
    assert f"The set-up was corrected after Recipe 1 of Shop staging was made: {words}." in shown
    code, text = run("shop-staging", "--out", str(tmp_path / "after"))
    assert code == 2
    assert f"{words}. Nothing was written." in " ".join(text.split())
    assert not (tmp_path / "after").exists()
    assert AuditEvent.objects.filter(action="recipe.downloaded").count() == 1
    # The way out that it names.
    (tmp_path / "answers.yaml").write_text("{}")
    words_of_command = ("--out", str(tmp_path / "after"), "--answers")
    assert run("shop-staging", *words_of_command, str(tmp_path / "answers.yaml"))[0] == 0
    assert next(iter(changed.values())) in (tmp_path / "after/README.md").read_text()
    assert "was corrected" not in text_of(admin.get(address(staging), secure=True))


def test_a_sign_in_that_was_corrected_makes_a_recipe_old(
    admin: Client, people: People, staging: Environment
) -> None:
    save(people.admin, staging, SAMPLE, shown=0)
    Cluster.objects.filter(pk=staging.cluster_id).update(authentication="api-key")
    shown = text_of(admin.get(address(staging), secure=True))
    assert "staging&#x27;s sign-in to Elasticsearch is basic in it, and is api-key by now" in shown
    assert "production&#x27;s sign-in" in shown


def test_a_version_is_never_changed_and_qa_makes_none(people: People, staging: Environment) -> None:
    made, _ = save(people.admin, staging, SAMPLE, shown=0)
    with pytest.raises(TypeError, match="never changed"):
        made.save()
    with pytest.raises(NotAllowedError):
        save(people.qa, staging, SAMPLE, shown=1)
    assert AuditEvent.objects.filter(action="recipe.saved", outcome="refused").exists()


def test_an_environment_is_removed_with_its_recipes_which_are_named(
    admin: Client, people: People, staging: Environment
) -> None:
    production = staging.promotes_to
    assert production is not None
    for number, name in enumerate(("a.example.com", "b.example.com")):
        save(people.admin, staging, sample(public_name=name), shown=number)
    other = Environment.objects.create(
        name="Other",
        slug="other",
        kind="staging",
        cluster=staging.cluster,
        version="0.8.1",
        tenant="other",
        promotes_to=production,
    )
    save(people.admin, other, sample(tenant="other"), shown=0)

    def remove(one: Environment) -> tuple[str, str]:
        page = reverse("environments:remove-environment", args=[one.slug])
        before = text_of(admin.get(page, secure=True))
        after = text_of(admin.post(page, {"sure": "on"}, secure=True, follow=True))
        return before, after

    before, after = remove(staging)
    both = "Recipe 1 of Shop staging, Recipe 2 of Shop staging"
    assert f"Its deployment recipes go with it: {both}. Download" in before
    assert "Shop staging is removed from the console." in after
    assert [str(one) for one in RecipeVersion.objects.all()] == ["Recipe 1 of Other"]
    # A production's are those that were made for it by a staging that feeds it no more.
    Environment.objects.filter(pk=other.pk).update(promotes_to=None)
    before, after = remove(production)
    assert "go with it: Recipe 1 of Other." in before
    assert "Shop production is removed from the console." in after
    assert "deployment recipes" not in remove(other)[0]
    assert not Environment.objects.exists()
    events = AuditEvent.objects.filter(action="environment.removed", outcome="done")
    assert [one.detail.get("recipes") for one in events.order_by("number")] == [
        both.split(", "),
        ["Recipe 1 of Other"],
        None,
    ]


def test_the_readme_names_each_network_check_and_the_way_to_it(
    admin: Client, people: People, staging: Environment
) -> None:
    production = staging.promotes_to
    assert production is not None
    # Names that nobody has to look up.
    Environment.objects.filter(pk=production.pk).update(public_url="http://127.0.0.13:9")
    Cluster.objects.update(url="http://127.0.0.1:9")
    made = files(SAMPLE)["README.md"]
    text = " ".join(made.split())
    production.refresh_from_db()
    # Where an address may be probed, plain http is asked too; none is allowed here.
    keys = {
        one["key"].partition(":")[0]
        for one in run_check(request_check(people.admin, production)).checks
    }
    said = {
        "apart": "the two APIs are apart",
        "private": "staging's API is at private IP addresses alone",
        "production-api": "and so is production's",
        "identity": "staging says that it is staging",
        "collector": "answers each of the collector's endpoints",
        "closed": "it refuses the rest",
        "tls": "its certificate is valid",
        "ports": "neither Elasticsearch nor Redis answers at the public address",
        "traces": "no event of staging's servers",
    }
    assert said.keys() == keys
    for words in (*said.values(), "by plain http", "open *Network*", "manage.py check-network"):
        assert words in text, words
    page = reverse("promotion:environment", args=[production.slug])
    network = reverse("environments:network", args=[production.slug])
    assert f'<a href="{network}">Network</a>' in text_of(admin.get(page, secure=True))
    shown = text_of(admin.get(network, secure=True))
    for button in ("Allow", "Check now"):
        assert f">{button}</button>" in shown
        assert f"*{button}*" in text


def run(*words: str) -> tuple[int, str]:
    code, printed, errors = call("recipes", *words, "--as", "administrator")
    return code, printed + errors


def test_the_command_makes_a_recipe_of_a_file_and_writes_it(
    people: People, staging: Environment, tmp_path: Path
) -> None:
    assert run("shop-staging", "--out", str(tmp_path / "a"))[0] == 2
    answers = tmp_path / "answers.yaml"
    known = {
        k: v
        for k, v in SAMPLE.to_dict().items()
        if k not in ("tenant", "version") and "login" not in k
    }
    answers.write_text(json.dumps(known))
    code, text = run(
        "shop-staging", "--out", str(tmp_path / "a"), "--answers", str(answers), "--json"
    )
    told = json.loads(text)
    assert (code, told["status"], told["version"]) == (0, "done", 1)
    kept = RecipeVersion.objects.get().texts
    assert told["files"] == list(kept)
    for path, wanted in kept.items():
        assert (tmp_path / "a" / path).read_text() == wanted
    # What a file does not say stays as it was.
    answers.write_text("public_name: events.example.com\n")
    assert run("shop-staging", "--out", str(tmp_path / "b"), "--answers", str(answers))[0] == 0
    assert RecipeVersion.objects.count() == 2
    assert "events.example.com" in (tmp_path / "b/production/nginx.conf").read_text()
    code, text = run("shop-staging", "--out", str(tmp_path / "b"))
    assert code == 2
    assert "is there already. Nothing was written." in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("staff_networks: 0.0.0.0/0", "wider than any network"),
        ("colour: blue", "No recipe asks for colour"),
        ("- a\n- b", "is no list of names and answers"),
        ("a: [", "is no YAML"),
        ("a: {b: c}", "is no list of names and answers"),
        ("a: !!python/object/apply:os.system [id]", "is no YAML"),
    ],
)
def test_the_command_refuses_answers_that_cannot_be(
    text: str, words: str, people: People, staging: Environment, tmp_path: Path
) -> None:
    (tmp_path / "answers.yaml").write_text(text)
    code, said = run(
        "shop-staging", "--out", str(tmp_path / "a"), "--answers", str(tmp_path / "answers.yaml")
    )
    assert code == 2
    assert words in said
    assert not (tmp_path / "a").exists()
    assert not RecipeVersion.objects.exists()


def test_the_command_needs_a_staging_that_feeds_a_production(
    people: People, staging: Environment, tmp_path: Path
) -> None:
    code, text = run("shop-production", "--out", str(tmp_path / "a"))
    assert code == 2
    assert "is no staging that promotes to a production. Nothing was written." in text
