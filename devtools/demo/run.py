"""`make demo`: sets the demo up or goes on with it, and runs it until Ctrl-C."""

import argparse
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from devtools.demo.children import Stopped, child, stop_on_signals, wait_until
from devtools.demo.engine import running
from devtools.demo.state import DEFAULT_FOLDER, DemoError, State, say, timed
from devtools.elasticsearch.node import free_port

if TYPE_CHECKING:
    from environments.models import Environment

START_SECONDS = 60.0
LOOK_SECONDS = 0.5
FIRST_STEPS = """
First steps:
  1. Sign in as admin and adopt production: once, it then takes promotions.
  2. Sign in as qa, capture staging as a build, look at what changed, and approve it.
  3. Sign in as admin and promote the build; roll back if you like.
  4. Sign in as marketing and look at production's dashboard.
  5. Sign in as qa and run the suite of workflow tests: two fail. Change staging at
     {stand_in}/ , which stands in for Tracardi, capture it, and run them again.
"""


def run(state: State) -> None:
    """Run the demo until a signal stops it.

    Raises:
        DemoError: it could not be set up, or a part of it ended by itself.
    """
    port = _port()
    state.configure()
    # They need Django's settings.
    from django.core.management import call_command
    from django.db import connections

    from devtools.demo.setup import set_up

    with state.locked(), running(state, say) as (url, own_node):
        with timed("Database ready", say):
            call_command("migrate", verbosity=0)
        with timed("Set-up complete", say):
            demo = set_up(state, url, own_node=own_node, say=say)
        stand_in = _stand_in(demo.staging)
        connections.close_all()
        address = f"127.0.0.1:{port}"
        web_command = ["-m", "gunicorn", "--bind", address, "--threads", "8"]
        web_command += ["--no-control-socket", "tracardi_console.wsgi"]
        with (
            child("stand-in", state.log("stand-in"), stand_in) as standing_in,
            child("worker", state.log("worker"), ["manage.py", "worker"]) as worker,
            child("web server", state.log("web"), web_command) as web,
        ):
            with timed("Web server, worker and stand-in started", say):
                wait_until(lambda: _answers(f"http://{address}/login/"), web, START_SECONDS)
                healthy = f"{demo.staging.api_url}/healthcheck"
                wait_until(lambda: _answers(healthy), standing_in, START_SECONDS)
            say(f"\nTracardi Console runs at http://{address}/ . Sign in with:")
            for name, password in demo.passwords.items():
                say(f"  {name:<10} {password}")
            say(FIRST_STEPS.format(stand_in=demo.staging.api_url))
            say(f"Elasticsearch: {url if own_node else 'ELASTICSEARCH_URL'}")
            say(
                f"Commands: ENV_FILE={_short(state)} .venv/bin/python manage.py environments "
                "--as admin"
            )
            say("Stop with Ctrl-C; the data is kept. `make demo-reset` starts over.")
            while True:
                time.sleep(LOOK_SECONDS)
                for one in (worker, web, standing_in):
                    one.check()


def _stand_in(staging: "Environment") -> list[str]:
    """Give staging's Tracardi an address, and return the command that answers there."""
    port = free_port()
    staging.api_url = f"http://127.0.0.1:{port}"
    staging.save(update_fields=["api_url"])
    return ["-m", "devtools.standin", "--environment", staging.slug, "--port", str(port)]


def _port() -> int:
    given = os.environ.get("DEMO_PORT", "").strip()
    if not given:
        return free_port()
    if not (given.isascii() and given.isdigit() and 0 < int(given) < 65536):
        raise DemoError("DEMO_PORT is no port: set it to a number from 1 to 65535, or unset it.")
    return int(given)


def _short(state: State) -> str:
    path = state.environment_file.resolve()
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        raise DemoError(f"{url} answered HTTP {error.code}; see the web server's log.") from error
    except OSError:
        return False


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; 0 if it was stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="the demo's folder")
    state = State(parser.parse_args(arguments).folder)
    stop_on_signals()
    try:
        run(state)
    except Stopped:
        say("Stopped.")
    except DemoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
