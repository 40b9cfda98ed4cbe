"""`manage.py worker`: runs background work, and takes over what a dead worker left."""

import threading
import time
from argparse import ArgumentParser
from typing import Any

import structlog
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from promotion.recovery import recover

log = structlog.get_logger(__name__)
# How often claims are looked at, a few times within one lease time.
LOOKS_A_LEASE = 4


class Command(BaseCommand):
    help = "Run background work until stopped with Ctrl-C or SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--interval", type=float, default=0.3, help="seconds between polls")

    def handle(self, *_args: Any, **options: Any) -> None:
        threading.Thread(target=_watch, daemon=True).start()
        call_command("db_worker", interval=options["interval"], startup_delay=False)


def _watch() -> None:
    while True:
        close_old_connections()
        try:
            recover()
        except Exception:
            # One bad look must not end all later ones.
            log.exception("worker.recovery_defect")
        time.sleep(settings.LEASE_SECONDS / LOOKS_A_LEASE)
