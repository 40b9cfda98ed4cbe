"""Rotation of the encryption key: all that is kept is under the newest, and nothing is lost."""

import ast
import io
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from cryptography.fernet import Fernet
from django.apps import apps
from django.core import mail
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import models
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from accounts import encrypted, rotation
from accounts.audit import command_actor
from accounts.authorising import NotAllowedError
from accounts.crypto import EncryptedTextField, UndecryptableError, encrypt, key_number
from accounts.derivation import derived_key
from accounts.encrypted import Kind, kinds
from accounts.models import AuditEvent, DerivationSecret
from accounts.rotation import rotate, survey
from accounts.tasks import deliver, sealed
from environments.models import Cluster, Licence
from promotion.bundling import own_fingerprint
from promotion.models import Blob, RunResult, StoredLinks, StoredTree
from promotion.store import DatabaseContent
from tests.accounts import dying
from tests.accounts.conftest import SECRET, Cast, cast, code_of, give_factor
from tests.races.at_once import ended, process
from tests.security.world import make_build

__all__ = ["cast"]
pytestmark = pytest.mark.django_db
ROOT: Final = Path(__file__).resolve().parent.parent.parent
PACKAGES: Final = ("accounts", "environments", "promotion", "tracardi_console")
FLOW: Final = b'{"name": "Flow", "production": ""}'


def new_key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def keys(settings: Settings) -> list[str]:
    """The keys of this test: the newest, the one that everything is under, and an older one."""
    made = [new_key(), new_key(), new_key()]
    settings.ENCRYPTION_KEYS = made[1:]
    return made


@pytest.fixture
def held(cast: Cast, keys: list[str], settings: Settings) -> dict[str, Any]:
    """One value at least of each kind, under the middle one of three keys."""
    cluster = Cluster.objects.get()
    cluster.authentication, cluster.secret = "basic", "engine-password"
    cluster.save()
    Licence.objects.create(holder="ACME", key="licence-key")
    build = make_build(cast.staging, 1, "Flow")
    content = DatabaseContent()
    digests = [part.tree_id for part in build.parts.all()]
    content.keep_absent_links(digests)
    give_factor(cast.admin)
    codes = RecoveryCodes.activate(cast.admin).get_unused_codes()
    migrated = {"migrated_codes": [encrypt(b"11112222").decode(), encrypt(b"33334444").decode()]}
    Authenticator.objects.create(user=cast.qa, type="recovery_codes", data=migrated)
    key_of = {"name": "Key", "credential": {"id": "x"}}
    Authenticator.objects.create(user=cast.qa, type="webauthn", data=key_of)
    deliver.enqueue(sealed(EmailMessage("A link", "Set a password", None, ["a@example.com"])))
    deliver.enqueue(sealed(None))
    result = run_result(cast)
    # From now on there is a newer one.
    settings.ENCRYPTION_KEYS = keys
    return {"codes": codes, "result": result, "digests": digests}


def run_result(cast: Cast) -> RunResult:
    from promotion.models import Suite, SuiteRun, SuiteTest

    suite = Suite.objects.create(environment=cast.staging, name="Shop", made_by=cast.qa)
    facts: dict[str, Any] = {
        "name": "Visit",
        "source": "s",
        "events": [{"type": "e"}],
        "expect": {"no-errors": True},
    }
    test = SuiteTest.objects.create(
        suite=suite, name="Visit", facts=facts, made_in=1, made_by=cast.qa
    )
    run = SuiteRun.objects.create(
        environment=cast.staging, suite=suite, suite_version=1, chosen=[test.pk], status="passed"
    )
    return RunResult.objects.create(run=run, test=test, status="passed", exchange="What was said")


def columns() -> dict[str, list[str]]:
    """Return by kind each field that holds a value, as the database has it."""
    found = {}
    for kind in kinds():
        rows = [str(raw) for batch in kind.batches() for _pk, raw in batch]
        found[kind.name] = rows
    return found


def run(*words: str) -> tuple[int, str]:
    out, errors = io.StringIO(), io.StringIO()
    try:
        call_command("rotate-keys", "--as", "administrator", *words, stdout=out, stderr=errors)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue() + errors.getvalue()
    return 0, out.getvalue() + errors.getvalue()


# --- What it does -------------------------------------------------------------------------------


def test_everything_is_under_the_newest_key_and_opens_without_the_others(
    cast: Cast, held: dict[str, Any], keys: list[str], settings: Settings
) -> None:
    fingerprint, tag = own_fingerprint(), derived_key("secrets\0flow\0f1")
    before = survey()
    assert {one.name: dict(one.under) for one in before.held if one.total} == {
        **{name: {2: count} for name, count in COUNTS.items()},
        "accounts.DerivationSecret.value": {3: 1},
    }
    code, words = run()
    total = sum(COUNTS.values()) + 1
    assert code == 0
    assert f"All {total} values are under the newest key: the others may be dropped." in words
    settings.ENCRYPTION_KEYS = keys[:1]
    after = survey()
    assert {one.name: one.total for one in after.held} == {
        **COUNTS,
        "accounts.DerivationSecret.value": 1,
    }
    assert after.is_done
    # Each is what it was.
    assert Cluster.objects.get().secret == "engine-password"
    assert Licence.objects.get().key == "licence-key"
    content = DatabaseContent()
    tree = StoredTree.objects.get()
    assert content.source(Blob.objects.get().oid) == FLOW
    assert StoredLinks.objects.get().tree_id == tree.digest
    assert RunResult.objects.get().exchange == "What was said"
    factor = Authenticator.objects.get(user=cast.admin, type="totp")
    assert TOTP(factor).validate_code(code_of(SECRET))
    assert RecoveryCodes.activate(cast.admin).get_unused_codes() == held["codes"]
    assert RecoveryCodes.activate(cast.qa).get_unused_codes() == ["11112222", "33334444"]
    for task in DBTaskResult.objects.order_by("enqueued_at"):
        deliver.func(*task.args_kwargs["args"])
    assert [one.subject for one in mail.outbox] == ["A link"]
    # And what is derived is as it was, though the oldest key is gone.
    assert (own_fingerprint(), derived_key("secrets\0flow\0f1")) == (fingerprint, tag)


COUNTS: Final = {
    "django_tasks_database.DBTaskResult.args_kwargs": 2,
    "environments.Cluster.secret": 1,
    "environments.Licence.key": 1,
    # An app and a seed; two codes one by one. A security key holds none.
    "mfa.Authenticator.data": 4,
    "promotion.Blob.body": 1,
    "promotion.RunResult.exchange": 1,
    "promotion.StoredLinks.body": 1,
    "promotion.StoredTree.body": 1,
}


def test_the_plan_says_how_many_are_under_which_key_and_changes_nothing(
    held: dict[str, Any], keys: list[str]
) -> None:
    before = columns()
    code, words = run("--plan")
    assert code == 0
    assert "Second factors" in words
    assert "key 2: 4" in words
    assert "key 3: 1" in words
    assert "13 of 13 values are under an older key: drop none." in words
    assert not any(key in words for key in keys)
    assert columns() == before
    assert not DerivationSecret.objects.exists()
    assert not AuditEvent.objects.filter(action__startswith="keys.").exists()


def test_the_check_fails_until_it_was_done(held: dict[str, Any]) -> None:
    assert run("--check")[0] == 1
    assert run()[0] == 0
    code, words = run("--check")
    assert (code, "the others may be dropped" in words) == (0, True)
    # Somebody who runs with an older key puts one back.
    Cluster.objects.update(secret=raw("Old", number=2))
    code, words = run("--check", "--json")
    facts = json.loads(words)
    assert (code, facts["status"], facts["older"]) == (1, "failed", 1)
    assert {"environments.Cluster.secret": {"2": 1}}.items() <= {
        one["kind"]: one["under"] for one in facts["kinds"]
    }.items()


def raw(text: str, *, number: int) -> models.Value:
    from django.conf import settings

    token = Fernet(settings.ENCRYPTION_KEYS[number - 1]).encrypt(text.encode()).decode()
    return models.Value(token, output_field=models.TextField())


def test_a_second_run_changes_nothing(held: dict[str, Any]) -> None:
    run()
    before = columns()
    code, words = run()
    assert (code, columns() == before) == (0, True)
    assert "Put under the newest key: 0." in words


def test_with_one_key_there_is_nothing_to_do(cast: Cast) -> None:
    assert "there is no other one" in run()[1]


def test_the_trail_says_who_began_it_and_what_came_of_it(held: dict[str, Any]) -> None:
    run()
    events = AuditEvent.objects.filter(action__startswith="keys.").order_by("number")
    assert [(one.action, one.outcome, one.channel) for one in events] == [
        ("keys.rotation-begun", "done", "cli"),
        ("keys.rotated", "done", "cli"),
    ]
    assert events[0].detail == {"keys": 3, "secret": False}
    assert events[1].detail == {"values": 13, "renewed": 12, "older": 0, "unreadable": 0}


def test_only_the_administrator_rotates_or_looks(cast: Cast, held: dict[str, Any]) -> None:
    before = columns()
    for act in (rotate, rotation.look):
        with pytest.raises(NotAllowedError):
            act(command_actor(cast.qa))
    assert columns() == before


# --- What no key opens --------------------------------------------------------------------------


def test_what_no_key_opens_is_told_with_its_place_and_left_alone(
    cast: Cast, held: dict[str, Any]
) -> None:
    lost = Fernet(new_key()).encrypt(b"lost")
    blob, cluster = Blob.objects.get(), Cluster.objects.get()
    Blob.objects.update(body=lost)
    Cluster.objects.update(secret=models.Value("no token", output_field=models.TextField()))
    factor = Authenticator.objects.get(user=cast.qa, type="recovery_codes")
    factor.data["migrated_codes"][0] = lost.decode()
    factor.save()
    for _ in range(2):
        code, words = run()
        assert code == 1
        assert "No key opens 3 of 13 values; they were left alone." in words
        for place in (
            f"promotion.Blob.body of {blob.pk}",
            f"environments.Cluster.secret of {cluster.pk}",
            f"mfa.Authenticator.data of {factor.pk}",
        ):
            assert place in words
    assert bytes(Blob.objects.get().body) == lost
    factor.refresh_from_db()
    codes = factor.data["migrated_codes"]
    assert codes[0] == lost.decode()
    assert key_number(codes[1].encode()) == 1
    with pytest.raises(UndecryptableError):
        Cluster.objects.get()
    assert AuditEvent.objects.latest("number").outcome == "failed"


def test_of_many_places_some_are_told_and_all_are_counted(cast: Cast, keys: list[str]) -> None:
    lost = Fernet(new_key()).encrypt(b"lost")
    Blob.objects.bulk_create([Blob(oid=f"{n:064}", body=lost) for n in range(60)])
    code, words = run("--plan")
    assert code == 1
    assert "No key opens 60 of" in words
    assert "and 10 more" in words
    assert words.count("promotion.Blob.body of") == 50


# --- While the console goes on ------------------------------------------------------------------


def test_what_is_changed_meanwhile_is_not_overwritten(
    held: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    change: Callable[..., bool] = Kind.change
    typed = iter(["typed meanwhile"])

    def changed(kind: Kind, pk: Any, before: Any, after: Any) -> bool:
        if kind.name == "environments.Cluster.secret":
            for secret in typed:
                Cluster.objects.update(secret=secret)
        return change(kind, pk, before, after)

    monkeypatch.setattr(Kind, "change", changed)
    assert run()[0] == 0
    assert Cluster.objects.get().secret == "typed meanwhile"


def test_a_factor_that_is_used_meanwhile_is_not_given_back(
    cast: Cast, held: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    change: Callable[..., bool] = Kind.change
    used = iter([True])

    def changed(kind: Kind, pk: Any, before: Any, after: Any) -> bool:
        if kind.name == "mfa.Authenticator.data":
            for _ in used:
                assert RecoveryCodes.activate(cast.admin).validate_code(held["codes"][0])
        return change(kind, pk, before, after)

    monkeypatch.setattr(Kind, "change", changed)
    assert run()[0] == 0
    assert RecoveryCodes.activate(cast.admin).get_unused_codes() == held["codes"][1:]
    assert survey().is_done


def test_who_writes_with_an_old_key_all_the_time_is_told_of(
    held: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    change: Callable[..., bool] = Kind.change

    def changed(kind: Kind, pk: Any, before: Any, after: Any) -> bool:
        done = change(kind, pk, before, after)
        if kind.name == "environments.Cluster.secret":
            Cluster.objects.update(secret=raw("Old", number=2))
        return done

    monkeypatch.setattr(Kind, "change", changed)
    code, words = run()
    assert code == 1
    assert "1 of 13 values are under an older key: drop none." in words
    assert "with web and worker started on the newest key" in words


class Cut(BaseException):
    """The work was cut off here."""


def test_what_was_cut_off_is_finished_by_the_next_run(
    cast: Cast, keys: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypted, "BATCH", 10)
    Blob.objects.bulk_create(
        [Blob(oid=f"{n:064}", body=encrypt(b"document %d" % n)) for n in range(95)]
    )
    settings.ENCRYPTION_KEYS = keys

    def cut(what: str, done: int, _of: int) -> None:
        if what.startswith("Rotating") and done == 40:
            raise Cut

    with pytest.raises(Cut):
        rotate(command_actor(cast.admin), progress=cut)
    blobs = next(one for one in survey().held if one.name == "promotion.Blob.body")
    assert dict(blobs.under) == {1: 40, 2: 55}
    done = rotate(command_actor(cast.admin))
    assert (done.renewed, done.after.is_done) == (55, True)
    for blob in Blob.objects.all():
        assert Fernet(keys[0]).decrypt(bytes(blob.body)) == b"document %d" % int(blob.oid)


@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_killed_in_the_middle_has_lost_nothing(
    cast: Cast, keys: list[str], settings: Settings
) -> None:
    body = encrypt(b"x" * 2000)
    Blob.objects.bulk_create([Blob(oid=f"{n:064}", body=body) for n in range(1000)])
    settings.ENCRYPTION_KEYS = keys
    told = {"ENCRYPTION_KEYS": ",".join(keys)}
    words = ("rotate-keys", "--as", "administrator")
    code, _out, _errors = ended(process(*words, environment=told, script=Path(dying.__file__)))
    assert code == -signal.SIGKILL
    # Two batches were kept, and the third one not at all.
    assert changed(body) == 2 * encrypted.BATCH < dying.DIES_AT
    code, out, errors = ended(process(*words, environment=told))
    assert code == 0, errors
    assert "Put under the newest key: 600." in out
    assert "the others may be dropped" in out
    settings.ENCRYPTION_KEYS = keys[:1]
    assert survey().is_done
    assert changed(body) == 1000


def changed(body: bytes) -> int:
    """Return how many blobs hold something else by now."""
    return Blob.objects.exclude(body=body).count()


# --- What is derived ----------------------------------------------------------------------------


def test_a_new_signing_secret_makes_this_console_sign_as_another_one(
    cast: Cast, held: dict[str, Any]
) -> None:
    before = own_fingerprint()
    code, words = run("--new-signing-secret")
    after = own_fingerprint()
    assert (code, after != before, after in words) == (0, True, True)
    # It stays then.
    run()
    assert own_fingerprint() == after
    assert DerivationSecret.objects.count() == 1
    begun = AuditEvent.objects.filter(action="keys.rotation-begun").order_by("number")[0]
    assert begun.detail == {"keys": 3, "secret": True}


def test_before_the_first_rotation_it_is_the_oldest_key_that_is_derived_from(
    cast: Cast, keys: list[str], settings: Settings
) -> None:
    before = own_fingerprint()
    settings.ENCRYPTION_KEYS = [new_key(), *settings.ENCRYPTION_KEYS]
    assert own_fingerprint() == before
    assert run("--check")[0] == 1
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    assert own_fingerprint() != before


# --- Large data ---------------------------------------------------------------------------------


def test_a_batch_is_bounded_in_bytes_and_misses_none(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypted, "BATCH_BYTES", 3000)
    sizes = [1000, 1000, 1000, 1, 9000, 2999, 1, 1]
    Blob.objects.bulk_create([Blob(oid=f"{n:064}", body=b"x" * s) for n, s in enumerate(sizes)])
    kind = next(one for one in kinds() if one.name == "promotion.Blob.body")
    found = [[len(raw) for _pk, raw in sorted(batch)] for batch in kind.batches()]
    assert found == [[1000, 1000, 1000], [1], [9000], [2999, 1], [1]]


# --- That no kind is missed ---------------------------------------------------------------------


def test_every_field_that_may_be_encrypted_is_a_kind() -> None:
    covered = {kind.name for kind in kinds()}
    for model in apps.get_models():
        for one in model._meta.get_fields():
            if isinstance(one, EncryptedTextField | models.BinaryField):
                assert f"{model._meta.label}.{one.name}" in covered


# Who encrypts, by the function that is imported, and the kind or the kinds that it ends in.
ENCRYPTS: Final = {
    ("accounts/adapters.py", "accounts.crypto.encrypt"): {"mfa.Authenticator.data"},
    ("accounts/adapters.py", "accounts.tasks.sealed"): {
        "django_tasks_database.DBTaskResult.args_kwargs"
    },
    ("accounts/forms.py", "accounts.tasks.sealed"): {
        "django_tasks_database.DBTaskResult.args_kwargs"
    },
    ("accounts/tasks.py", "accounts.crypto.encrypt"): {
        "django_tasks_database.DBTaskResult.args_kwargs"
    },
    ("promotion/sealing.py", "accounts.crypto.encrypt"): {
        "promotion.Blob.body",
        "promotion.StoredTree.body",
        "promotion.StoredLinks.body",
    },
    ("promotion/store.py", "promotion.sealing.seal"): {
        "promotion.Blob.body",
        "promotion.StoredTree.body",
    },
    ("promotion/kept_links.py", "promotion.sealing.seal"): {"promotion.StoredLinks.body"},
}
ENCRYPTING: Final = {
    "accounts.crypto.encrypt",
    "promotion.sealing.seal",
    "accounts.tasks.sealed",
}
# Fernet itself is used there alone: a bundle's passphrase is nothing that is kept.
FERNET: Final = {
    "accounts/crypto.py",
    "environments/management/commands/make_key.py",
    "promotion/engine/bundle.py",
    # Whether what is set are keys at all.
    "tracardi_console/variables.py",
}


def imports() -> Iterator[tuple[str, str]]:
    """Yield each name that a module of ours imports, or uses of a module that it imports."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            if "/migrations/" in where:
                continue
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module:
                    yield from ((where, f"{node.module}.{one.name}") for one in node.names)
                elif isinstance(node, ast.Import):
                    yield from ((where, one.name) for one in node.names)


def test_everybody_who_encrypts_anything_is_known_and_ends_in_a_kind() -> None:
    found = set(imports())
    assert {one for one in found if one[1] in ENCRYPTING} == set(ENCRYPTS)
    assert {where for where, what in found if what.startswith("cryptography.fernet")} == FERNET
    # Nobody goes around these names.
    modules = {"accounts.crypto", "promotion.sealing", "accounts.tasks"}
    assert not [one for one in found if one[1] in modules]
    assert set().union(*ENCRYPTS.values()) <= {kind.name for kind in kinds()}


@pytest.mark.long
def test_a_hundred_thousand_documents_take_a_bounded_memory(
    cast: Cast, keys: list[str], settings: Settings
) -> None:
    import tracemalloc

    body = encrypt(b"x" * 2000)
    for start in range(0, 100_000, 5000):
        rows = [Blob(oid=f"{n:064}", body=body) for n in range(start, start + 5000)]
        Blob.objects.bulk_create(rows, batch_size=500)
    settings.ENCRYPTION_KEYS = keys
    tracemalloc.start()
    done = rotate(command_actor(cast.admin))
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (done.renewed, done.after.is_done) == (100_000, True)
    assert most < 32 * 1024 * 1024
