"""`python -m devtools.standin --environment SLUG --port N`: the demo's stand-in for Tracardi."""

import argparse
import os
import sys
import threading

from devtools.demo.children import Stopped, stop_on_signals


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal ends it; Django's settings are those of the caller."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", required=True, help="a staging environment's slug")
    parser.add_argument("--port", required=True, type=int)
    asked = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracardi_console.settings")
    import django

    django.setup()
    from devtools.demo.improvement import WORDS, improve
    from devtools.standin.page import Change
    from devtools.standin.server import StandIn, serving
    from environments.elastic import connect
    from environments.models import Environment

    environment = Environment.objects.select_related("cluster").get(slug=asked.environment)
    if environment.is_production:
        sys.stderr.write(f"{environment} is production: there is no stand-in for it.\n")
        return 2
    connection, naming = connect(environment.cluster), environment.naming
    standin = StandIn(connection, naming, change=Change(WORDS, lambda: improve(connection, naming)))
    stop_on_signals()
    try:
        with serving(standin, asked.port):
            threading.Event().wait()
    except Stopped:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
