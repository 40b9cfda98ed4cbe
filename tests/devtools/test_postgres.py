"""The PostgreSQL that tests run on: it answers, and leaves nothing behind, however it ends."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from devtools.postgres.server import run, start

STARTER = """
import sys
from devtools.postgres.server import start
server = start()
print(server.process.pid, server.home, flush=True)
sys.stdin.read()
"""
PATIENCE_SECONDS = 60


def test_it_answers_and_leaves_nothing_behind() -> None:
    with start() as server:
        with psycopg.connect(server.url) as asked:
            assert asked.execute("SELECT 1").fetchone() == (1,)
        wrong = server.url.replace("console:", "console:not-")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(wrong)
    assert not server.home.exists()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(server.url)


def test_it_ends_with_its_starter_however_that_ends() -> None:
    starter = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    keeper, home = starter.stdout.readline().split()
    ended = os.pidfd_open(int(keeper))
    try:
        starter.send_signal(signal.SIGKILL)
        starter.wait()
        assert select.select([ended], [], [], PATIENCE_SECONDS)[0]
    finally:
        os.close(ended)
    assert not Path(home).exists()


def test_a_command_is_told_its_address_and_its_exit_code_is_passed_on() -> None:
    asks = "import os, sys; sys.exit(3 if os.environ['DATABASE_URL'].startswith('postgres') else 4)"
    assert run([sys.executable, "-c", asks], os.environ) == 3
