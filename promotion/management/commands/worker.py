"""`manage.py worker`: runs background work, and takes over what a dead worker left."""

import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from accounts.anchors import anchor
from environments.account_looks import look_at_accounts
from environments.health.looks import look_at_health, thin_out
from environments.licence_warnings import remind
from environments.network.running import check_networks
from promotion.drift import check_due
from promotion.locking import lock_expired
from promotion.lost import look_around
from promotion.recovery import recover
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
# How often network checks are looked for that wait; a person does too.
NETWORK_SECONDS = 1.0
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
        (run_waiting, SUITE_SECONDS),
        (anchor, ANCHOR_SECONDS),
        (clear_expired, TIDY_SECONDS),
        (remind, REMIND_SECONDS),
    )


def clear_expired() -> None:
    """Drop sessions that are over."""
    SessionStore.clear_expired()


class Command(BaseCommand):
    help = "Run background work until stopped with Ctrl-C or SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--interval", type=float, default=0.3, help="seconds between polls")

    def handle(self, *_args: Any, **options: Any) -> None:
        # Apart: a cluster that does not answer must not keep the others' locks open.
        for act, seconds in acts():
            threading.Thread(target=_repeat, args=(act, seconds), daemon=True).start()
        call_command("db_worker", interval=options["interval"], startup_delay=False)


def _repeat(act: Callable[[], object], seconds: float) -> None:
    while True:
        close_old_connections()
        try:
            act()
        except Exception:
            # One bad look must not end all later ones.
            log.exception("worker.defect", what=act.__name__)
        time.sleep(seconds)
