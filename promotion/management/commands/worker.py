"""`manage.py worker`: runs background work, and takes over what a dead worker left."""

import signal
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import close_old_connections
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from accounts.anchors import anchor
from environments.account_looks import look_at_accounts
from environments.funnels.running import count_funnels, thin_out_funnels
from environments.health.looks import look_at_health, thin_out
from environments.licence_warnings import remind
from environments.network.running import check_networks
from environments.saved.summaries import send_summaries
from environments.segments.keeping import keep_segment_sizes
from promotion.drift import check_due
from promotion.engine_looks import look_at_engines
from promotion.locking import lock_expired
from promotion.lost import look_around
from promotion.models import WorkerSign
from promotion.recovery import recover
from promotion.signs import SIGN_SECONDS, Sign, tell_service_manager
from promotion.suite_running import run_waiting

log = structlog.get_logger(__name__)
# How often the database is compared with what the clusters serve.
COMPARE_SECONDS = 60.0
# How often claims are looked at, a few times within one lease time.
LOOKS_A_LEASE = 4
# How often what is due is looked for; how often each is due is another matter.
LOOK_SECONDS = 5.0
# How often the audit trail's end is written down, where it is to be.
ANCHOR_SECONDS = 60.0
# How often sessions that are over are dropped, and the history of health is thinned out.
TIDY_SECONDS = 3600.0
# How often it is asked whether a licence ends, of which a mail tells once.
REMIND_SECONDS = 3600.0
# How often it is asked whether a weekly summary is due.
SUMMARY_SECONDS = 60.0
# How often network checks are looked for that wait; a person does too.
NETWORK_SECONDS = 1.0
# How long a task's row is kept after its end.
TASKS_KEPT = timedelta(days=14)
# No task takes as long: one that runs still has lost its worker.
TASK_LOST = timedelta(days=1)
# How often runs of workflow tests are looked for that wait; a person does too.
SUITE_SECONDS = 0.5


def acts() -> tuple[tuple[Callable[[], object], float], ...]:
    """Return what the worker does beside its queue, and the seconds between two times."""
    return (
        (recover, settings.LEASE_SECONDS / LOOKS_A_LEASE),
        (check_due, LOOK_SECONDS),
        (lock_expired, LOOK_SECONDS),
        (look_around, COMPARE_SECONDS),
        (look_at_accounts, LOOK_SECONDS),
        (look_at_health, LOOK_SECONDS),
        (thin_out, TIDY_SECONDS),
        (check_networks, NETWORK_SECONDS),
        (look_at_engines, LOOK_SECONDS),
        (count_funnels, LOOK_SECONDS),
        (thin_out_funnels, TIDY_SECONDS),
        (keep_segment_sizes, LOOK_SECONDS),
        (run_waiting, SUITE_SECONDS),
        (anchor, ANCHOR_SECONDS),
        (clear_expired, TIDY_SECONDS),
        (remind, REMIND_SECONDS),
        (send_summaries, SUMMARY_SECONDS),
    )


def clear_expired() -> None:
    """Drop sessions that are over, and tasks that ended long ago; end tasks whose worker died.

    The work of a task is kept elsewhere, and what is left of it is taken over there.
    """
    now = timezone.now()
    SessionStore.clear_expired()
    lost = DBTaskResult.objects.running().filter(started_at__lte=now - TASK_LOST)
    lost.update(
        status=TaskResultStatus.FAILED,
        finished_at=now,
        exception_class_path="builtins.TimeoutError",
        traceback="It ran for a day: its worker died.",
    )
    DBTaskResult.objects.finished().filter(finished_at__lte=now - TASKS_KEPT).delete()


class Command(BaseCommand):
    help = (
        "Run background work until stopped with Ctrl-C or SIGTERM: the queue of what people asked "
        "for, and the schedule of what is done again and again. Each part may run by itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--interval", type=float, default=0.3, help="seconds between polls")
        parser.add_argument(
            "--only", choices=WorkerSign.Part.values, help="run this part alone; both otherwise"
        )
        parser.add_argument(
            "--alive-file",
            type=Path,
            metavar="PATH",
            help="a file that is touched with each sign of life, for a container's health check",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        parts = [WorkerSign.Part(options["only"])] if options["only"] else list(WorkerSign.Part)
        does = acts() if WorkerSign.Part.SCHEDULE in parts else ()
        sign = Sign(parts, options["alive_file"], [act.__name__ for act, _ in does])
        threading.Thread(target=_repeat, args=(sign.give, SIGN_SECONDS), daemon=True).start()
        # Apart: a cluster that does not answer must not keep the others' locks open.
        for act, seconds in does:
            threading.Thread(target=_repeat, args=(act, seconds, sign), daemon=True).start()
        tell_service_manager("READY=1")
        log.info("worker.started", parts=sign.parts, name=sign.name)
        try:
            if WorkerSign.Part.QUEUE in parts:
                call_command("db_worker", interval=options["interval"], startup_delay=False)
            else:
                _wait()
        finally:
            tell_service_manager("STOPPING=1")
            close_old_connections()
            sign.take_back()


def _wait() -> None:
    """Wait for the first signal to stop."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    stopped.wait()


def _repeat(act: Callable[[], object], seconds: float, sign: Sign | None = None) -> None:
    while True:
        close_old_connections()
        try:
            act()
            if sign is not None:
                sign.note(act.__name__)
        except Exception:
            # One bad look must not end all later ones.
            log.exception("worker.defect", what=act.__name__)
        time.sleep(seconds)
