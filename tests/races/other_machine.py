"""A worker on another machine, whose clocks are HOURS ahead, or behind.

It looks at what is running as a worker does, until it took something over or PATIENCE seconds
passed, and then works its queue off. Prints the keys of what it took over, as a JSON list.
"""

import json
import os
import sys
import time
from datetime import datetime, timedelta
from unittest.mock import patch

import django


def main() -> None:
    shift, patience = float(sys.argv[1]) * 3600, float(sys.argv[2])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracardi_console.settings")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.utils import timezone

    from promotion import claim, recovery

    wall, monotonic, now = time.time, time.monotonic, timezone.now

    def later() -> datetime:
        return now() + timedelta(seconds=shift)

    def on_its_own_clock() -> float:
        return monotonic() + shift

    with (
        patch("time.time", lambda: wall() + shift),
        patch.object(timezone, "now", later),
        patch.object(claim, "clock", on_its_own_clock),
        patch.object(recovery, "clock", on_its_own_clock),
    ):
        end, taken = monotonic() + patience, list[int]()
        while not taken and monotonic() < end:
            taken = [promotion.pk for promotion in recovery.recover()]
            time.sleep(settings.LEASE_SECONDS / 4)
        call_command("db_worker", batch=True, interval=0, startup_delay=False, verbosity=0)
    sys.stdout.write(json.dumps(taken))


if __name__ == "__main__":
    main()
