"""`make demo-check`: sets a fresh demo up, does the main job without a browser, and removes it."""

import shutil
import sys
import tempfile
from pathlib import Path

from devtools.demo.children import Stopped, stop_on_signals
from devtools.demo.engine import given_url, running
from devtools.demo.reset import reset
from devtools.demo.state import DemoError, State, say, timed


def check(state: State) -> None:
    """Do it in a state whose folder is not there yet.

    Raises:
        DemoError: a step did not end as it must.
    """
    state.configure()
    # They need Django's settings.
    from django.core.management import call_command

    from devtools.demo.job import do_job
    from devtools.demo.setup import set_up

    with state.locked():
        try:
            with running(state, say) as (url, own_node):
                with timed("Database made", say):
                    call_command("migrate", verbosity=0)
                do_job(set_up(state, url, own_node=own_node, say=say), say)
        finally:
            with timed("Cleaned up", say):
                reset(state, say=lambda _words: None, url=given_url())


def main() -> int:
    """Run the check; 0 if everything was right."""
    place = Path(tempfile.mkdtemp(prefix="console-demo-check-"))
    state = State(place / "demo")
    stop_on_signals()
    try:
        check(state)
    except DemoError as error:
        sys.stderr.write(f"demo-check failed: {error}\n")
        return 1
    except Stopped:
        sys.stderr.write("demo-check was stopped.\n")
        return 1
    finally:
        _forget(state, place)
    say("demo-check passed.")
    return 0


def _forget(state: State, place: Path) -> None:
    marker = state.marker()
    if marker is None or marker.own_node:
        shutil.rmtree(place, ignore_errors=True)
        return
    folder = state.folder
    sys.stderr.write(f"Not all was removed: run python -m devtools.demo.reset --folder {folder}\n")


if __name__ == "__main__":
    sys.exit(main())
