"""What machines ask: whether the console is there, whether it can serve, and how it goes."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.audit import record, system_actor
from accounts.models import AuditEvent
from environments.models import Cluster, Environment
from promotion.engine_looks import look_at_engines
from promotion.management.commands.worker import acts, clear_expired
from promotion.models import Build, Drift, EngineLook, Promotion, StoredGeneration, WorkerSign
from promotion.signs import SHORT_ACTS, Sign
from promotion.tasks import clean_environment
from tests.security.world import HERE, made_world
from tracardi_console import VERSION

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-of-the-scraper-1"


@pytest.fixture
def client(plain_static_files: None) -> Client:
    """A machine that knows an address and no name, and speaks plain HTTP."""
    return Client(headers={"host": "10.1.2.3:8000"})


def ready(client: Client) -> tuple[int, str, dict[str, str]]:
    answer = client.get("/health/ready")
    facts = answer.json()
    return answer.status_code, facts["status"], facts["checks"]


def sign(*parts: str, age: float = 0.0, **facts: Any) -> None:
    WorkerSign.objects.create(
        name=f"w{WorkerSign.objects.count()}",
        parts=list(parts),
        seen_at=timezone.now() - timedelta(seconds=age),
        **facts,
    )


# --- Health --------------------------------------------------------------------------------------


def test_that_the_process_answers_takes_no_database_and_no_session(
    client: Client, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    # Without the mark `django_db`, any query is an error.
    answer = client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})
    assert answer.cookies == {}
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.django_db
def test_a_console_with_its_workers_is_ready_over_plain_http_and_by_any_name(
    client: Client, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    sign("queue", age=20)
    sign("schedule", "queue", age=5)
    assert ready(client) == (
        200,
        "ready",
        {
            **dict.fromkeys(("database", "migrations", "cache", "keys", "static"), "ok"),
            "worker-queue": "ok",
            "worker-schedule": "ok",
        },
    )
    assert client.get("/health/ready").cookies == {}
    # Only these: any other page goes on to HTTPS, and asks for a name of the console's.
    assert client.get("/health/other").status_code == 400


@pytest.mark.django_db
def test_a_worker_that_stalled_is_told_and_keeps_no_page_from_being_served(client: Client) -> None:
    status, word, checks = ready(client)
    assert (status, word) == (200, "degraded")
    assert (checks["worker-queue"], checks["worker-schedule"]) == ("missing", "missing")
    sign("queue", age=5)
    sign("schedule", age=600)
    status, word, checks = ready(client)
    assert (status, word) == (200, "degraded")
    assert (checks["worker-queue"], checks["worker-schedule"]) == ("ok", "late")


@pytest.mark.django_db
def test_a_schedule_whose_act_hangs_or_always_fails_is_late_though_it_gives_its_sign(
    client: Client,
) -> None:
    now = timezone.now().timestamp()
    long_ago = {"recover": now - 890, "lock_expired": now - 600, "remind": now - 3500}
    sign("queue", "schedule", acts=long_ago)
    status, word, checks = ready(client)
    assert (status, word, checks["worker-schedule"]) == (200, "degraded", "late")
    assert checks["worker-queue"] == "ok"
    # Another worker does it.
    sign("schedule", acts={"lock_expired": now - 30})
    assert ready(client)[2]["worker-schedule"] == "ok"
    assert set(SHORT_ACTS) <= {act.__name__ for act, _ in acts()}


@pytest.mark.django_db
def test_a_cluster_that_does_not_answer_leaves_the_console_ready(client: Client) -> None:
    sign("queue", "schedule")
    Cluster.objects.create(name="C", url="http://127.0.0.1:9")
    look_at_engines()
    assert ready(client)[:2] == (200, "ready")


@pytest.mark.django_db
def test_what_pages_need_makes_it_unready_and_says_only_what(
    client: Client, settings: Settings
) -> None:
    Cluster.objects.create(
        name="C", url="http://127.0.0.1:9", authentication="basic", username="u", secret="canary-1"
    )
    assert ready(client)[2]["keys"] == "ok"
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    MigrationRecorder(connection).record_unapplied("promotion", "0001_initial")
    # Collected files have a manifest; here nothing was collected.
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    settings.STATIC_ROOT = ROOT / "nowhere"
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unready",
        "checks": {
            "database": "ok",
            "migrations": "failed",
            "cache": "ok",
            "keys": "failed",
            "static": "failed",
        },
    }


def test_without_a_database_it_is_unready_and_alive() -> None:
    script = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "c = Client(headers={'host': '10.1.2.3'})\n"
        "one, two = c.get('/health/live'), c.get('/health/ready')\n"
        "print(one.status_code, two.status_code, two.json()['checks']['database'])"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "ENV_FILE": "devtools/test.env",
            "DATABASE_URL": "postgres://console:canary-8d21@127.0.0.1:1/console",
            "DJANGO_SETTINGS_MODULE": "tracardi_console.settings",
        },
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["200", "503", "failed"], done.stderr
    assert "canary" not in done.stdout + done.stderr


# --- Metrics -------------------------------------------------------------------------------------


@pytest.fixture
def scraper(client: Client, settings: Settings) -> Client:
    settings.METRICS_TOKEN = TOKEN
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return client


def scraped(client: Client) -> dict[str, Metric]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    return {one.name: one for one in text_string_to_metric_families(answer.content.decode())}


def value(found: dict[str, Metric], name: str, **labels: str) -> float:
    """Return the one sample of that name with those labels."""
    samples = [one for metric in found.values() for one in metric.samples]
    (only,) = [
        one.value
        for one in samples
        if one.name == f"tracardi_console_{name}" and labels.items() <= one.labels.items()
    ]
    return float(only)


@pytest.mark.parametrize(
    ("token", "shown", "status"),
    [
        ("", f"Bearer {TOKEN}", 404),
        ("", "Bearer ", 404),
        (TOKEN, "", 401),
        (TOKEN, TOKEN, 401),
        (TOKEN, f"Bearer {TOKEN}x", 401),
        (TOKEN, "Bearer é", 401),
        (TOKEN, f"Basic {TOKEN}", 401),
        (TOKEN, f"bearer {TOKEN}", 200),
    ],
)
@pytest.mark.django_db
def test_metrics_are_for_who_shows_the_token_alone(
    client: Client, settings: Settings, token: str, shown: str, status: int
) -> None:
    settings.METRICS_TOKEN = token
    with CaptureQueriesContext(connection) as asked:
        answer = client.get("/metrics", headers={"authorization": shown})
    assert answer.status_code == status
    assert bool(asked.captured_queries) is (status == 200)
    assert (b"tracardi_console_" in answer.content) is (status == 200)
    assert answer.cookies == {}


def test_a_token_that_can_be_guessed_stops_the_start(settings: Settings) -> None:
    settings.METRICS_TOKEN = "short"
    with pytest.raises(Exception, match=r"metrics\.E001"):
        call_command("check")


@pytest.mark.django_db
def test_metrics_say_what_the_database_holds(scraper: Client) -> None:
    with made_world():
        production = Environment.objects.get(slug=f"{HERE}-production")
        build, now = Build.objects.filter(environment__slug=f"{HERE}-staging")[0], timezone.now()
        began = now - timedelta(seconds=40)
        failed = Promotion.objects.create(
            kind="rollback", environment=production, status="failed", finished_at=now
        )
        Promotion.objects.filter(pk=failed.pk).update(created_at=began)
        Promotion.objects.filter(status="running").update(created_at=began)
        StoredGeneration.objects.create(
            environment=production,
            number=1,
            marker="m",
            facts={},
            build=build,
            promotion=failed,
            is_live=True,
        )
        Drift.objects.create(
            environment=production,
            marker="m",
            resources={},
            counts={"added": 2, "changed": 1},
            content="c",
        )
        clean_environment.enqueue(production.pk)
        sign("schedule", age=5, acts={"recover": now.timestamp() - 9}, stills={production.slug: 7})
        sign("queue", age=500)
        cluster = production.cluster
        EngineLook.objects.create(cluster=cluster, looked_at=now, answered=True, seconds=0.25)
        for outcome in ("refused", "done"):
            record(system_actor(), "account.signed-in", outcome=AuditEvent.Outcome(outcome))
        found = scraped(scraper)
        events = AuditEvent.objects.count()
    assert value(found, "build_info", version=VERSION, database=connection.vendor) == 1
    assert value(found, "promotions_total", kind="rollback", status="failed") == 1
    assert value(found, "promotions_total", kind="promote", status="succeeded") == 2
    # Of both pipelines.
    assert value(found, "promotions_active", kind="promote") == 2
    assert 40 <= value(found, "promotion_active_age_seconds", kind="promote") < 60
    took = "promotion_duration_seconds"
    assert value(found, f"{took}_bucket", kind="rollback", le="30.0") == 0
    assert value(found, f"{took}_bucket", kind="rollback", le="60.0") == 1
    assert value(found, f"{took}_bucket", kind="rollback", le="+Inf") == 1
    assert 39 < value(found, f"{took}_sum", kind="rollback") < 41
    assert value(found, "drift_documents", environment=production.slug) == 3
    assert value(found, "lost_state", environment=production.slug) == 0
    assert value(found, "queue_tasks", status="ready") == 1
    assert value(found, "queue_oldest_age_seconds") < 60
    assert value(found, "worker_up", part="schedule") == 1
    assert value(found, "worker_up", part="queue") == 0
    assert 500 <= value(found, "worker_sign_age_seconds", part="queue") < 560
    assert 9 <= value(found, "worker_act_age_seconds", act="recover") < 60
    assert 12 <= value(found, "lease_age_seconds", environment=production.slug) < 60
    assert value(found, "engine_up", cluster=cluster.name) == 1
    assert value(found, "engine_latency_seconds", cluster=cluster.name) == 0.25
    assert value(found, "sign_in_failures_total") == 1
    assert value(found, "audit_events_total") == events


@pytest.mark.django_db
def test_a_task_whose_worker_died_ends_after_a_day_and_is_dropped_as_others_are(
    scraper: Client,
) -> None:
    now = timezone.now()
    for hours in (23, 25):
        clean_environment.enqueue(hours)
        waits = DBTaskResult.objects.filter(status="READY")
        waits.update(status="RUNNING", started_at=now - timedelta(hours=hours))
    clear_expired()
    found = scraped(scraper)
    # The one that may run still is left alone.
    assert value(found, "queue_tasks", status="running") == 1
    assert value(found, "queue_tasks", status="failed") == 1
    assert 23 * 3600 <= value(found, "queue_running_age_seconds") < 24 * 3600
    failed = DBTaskResult.objects.get(status="FAILED")
    assert failed.finished_at is not None
    assert "its worker died" in failed.task_result.errors[0].traceback
    DBTaskResult.objects.filter(pk=failed.pk).update(finished_at=now - timedelta(days=15))
    clear_expired()
    assert DBTaskResult.objects.count() == 1


@pytest.mark.django_db
def test_a_scrape_of_a_large_console_asks_no_more_than_one_of_a_small_one(
    scraper: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with CaptureQueriesContext(connection) as small:
        scraped(scraper)
    assert len(small) <= 12
    with made_world():
        for number in range(30):
            sign("queue", "schedule", acts={f"act{number}": 1.0}, stills={f"e{number}": 1.0})
            cluster = Cluster.objects.create(name=f"C{number}", url="http://127.0.0.1:9")
            EngineLook.objects.create(cluster=cluster, looked_at=timezone.now())
            clean_environment.enqueue(number)
        with django_assert_num_queries(len(small)):
            found = scraped(scraper)
    assert value(found, "queue_tasks", status="ready") == 30


@pytest.mark.django_db
def test_no_metric_holds_a_name_of_a_person_or_of_a_document(scraper: Client) -> None:
    with made_world():
        text = scraper.get("/metrics").content.decode()
    assert "administrator" not in text
    assert "marketing" not in text
    assert "flow" not in text.replace("workflow", "")


# --- Signs and looks -----------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_worker_leaves_a_sign_with_its_acts_and_takes_it_back_when_it_is_stopped(
    tmp_path: Path,
) -> None:
    alive = tmp_path / "alive"
    made = Sign(list(WorkerSign.Part), alive)
    made.note("recover")
    made.give()
    made.give()
    (row,) = WorkerSign.objects.all()
    assert (row.parts, list(row.acts)) == (["queue", "schedule"], ["recover"])
    assert alive.is_file()
    made.take_back()
    # The thread that gives it may do so once more.
    made.give()
    assert not WorkerSign.objects.exists()
    assert not alive.exists()


@pytest.mark.django_db
def test_a_cluster_is_asked_now_and_then_and_how_long_it_took_is_kept(
    elasticsearch_url: str,
) -> None:
    there = Cluster.objects.create(name="There", url=elasticsearch_url)
    gone = Cluster.objects.create(name="Gone", url="http://127.0.0.1:9")
    assert look_at_engines() == [there, gone]
    # Not again at once.
    assert look_at_engines() == []
    looks = {one.cluster_id: one for one in EngineLook.objects.all()}
    assert looks[there.pk].answered
    assert 0 < looks[there.pk].seconds < 5
    assert not looks[gone.pk].answered
    assert "look_at_engines" in {act.__name__ for act, _ in acts()}


@pytest.mark.django_db
def test_a_secret_that_cannot_be_decrypted_keeps_no_other_cluster_from_being_asked(
    elasticsearch_url: str, settings: Settings
) -> None:
    facts = {"url": elasticsearch_url, "authentication": "basic", "username": "u"}
    lost = Cluster.objects.create(name="Lost", secret="canary-1", **facts)
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    there = Cluster.objects.create(name="There", url=elasticsearch_url)
    EngineLook.objects.create(
        cluster=lost, answered=True, begun_at=timezone.now() - timedelta(hours=1)
    )
    assert [one.pk for one in look_at_engines()] == [lost.pk, there.pk]
    looks = {one.cluster_id: one for one in EngineLook.objects.all()}
    assert looks[there.pk].answered
    # What was said of it before does not stay.
    assert not looks[lost.pk].answered
    assert looks[lost.pk].looked_at is not None


# --- What is handed out for Prometheus -----------------------------------------------------------


@pytest.mark.django_db
def test_the_alert_rules_ask_for_metrics_that_there_are(scraper: Client) -> None:
    folder = ROOT / "deploy" / "prometheus"
    rules = yaml.safe_load((folder / "alerts.yml").read_text())
    known = {
        f"{name}_total" if one.type == "counter" else name for name, one in scraped(scraper).items()
    }
    known |= {f"{name}_{end}" for name in known for end in ("bucket", "sum", "count")}
    alerts = [alert for group in rules["groups"] for alert in group["rules"]]
    assert len(alerts) >= 8
    for alert in alerts:
        used = {word for word in _words(alert["expr"]) if word.startswith("tracardi_console_")}
        assert used, alert["alert"]
        assert used <= known, alert["alert"]
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["action"]


def test_each_act_of_the_schedule_is_in_an_alert_on_its_age() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    expressions = [alert["expr"] for group in rules["groups"] for alert in group["rules"]]
    asked = [
        act
        for expression in expressions
        for names in re.findall(r'worker_act_age_seconds\{act=~"([^"]+)"\}', expression)
        for act in names.split("|")
    ]
    assert sorted(asked) == sorted(act.__name__ for act, _ in acts())
    assert any("engine_look_age_seconds" in expression for expression in expressions)


def test_the_scrape_configuration_asks_where_the_metrics_are() -> None:
    raw = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (job,) = raw["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["authorization"]["type"] == "Bearer"
    assert "credentials" not in job["authorization"]
    assert raw["rule_files"] == ["alerts.yml"]


def _words(expression: str) -> list[str]:
    return "".join(one if one.isalnum() or one == "_" else " " for one in expression).split()
