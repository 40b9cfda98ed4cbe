"""`make demo-reset`: removes what the demo made, by exact names, and then its files."""

import argparse
import shutil
import sys
from pathlib import Path

from devtools.demo.engine import given_url
from devtools.demo.state import DEFAULT_FOLDER, DemoError, Marker, Say, State, say


def reset(state: State, *, say: Say, url: str = "") -> None:
    """Remove everything of a demo; harmless where nothing is there.

    `url` is of a foreign cluster; without it, it is asked at the address it last had.

    Raises:
        DemoError: the cluster could not be cleaned; then the files are kept too.
    """
    marker = state.marker()
    if marker is not None and not marker.own_node:
        _clean_cluster(state, marker, url, say)
    there = [path for path in state.files() if path.exists()]
    # An own engine goes with its data, whatever is in it.
    if state.engine_data.is_dir():
        shutil.rmtree(state.engine_data)
    for path in there:
        path.unlink()
    say("The demo is removed." if there else "There is no demo. Nothing was removed.")


def _clean_cluster(state: State, marker: Marker, url: str, say: Say) -> None:
    state.configure()
    # They need Django's settings.
    from django.core.management import call_command

    from devtools.demo.removal import remove_demo

    call_command("migrate", verbosity=0)
    say(f"{remove_demo(marker, url)} indices and templates were removed from the cluster.")


def main(arguments: list[str] | None = None) -> int:
    """Remove the demo; 0 if nothing of it is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="the demo's folder")
    state = State(parser.parse_args(arguments).folder)
    try:
        if not state.folder.is_dir():
            say("There is no demo. Nothing was removed.")
            return 0
        with state.locked():
            reset(state, say=say, url=given_url())
    except DemoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
