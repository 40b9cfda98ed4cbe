"""How gunicorn serves the console; it reads this file by itself where it is started beside it.

Options of the command line win over it. WEB_CONCURRENCY is gunicorn's own: how many processes.
"""

import json
import subprocess
import sys
from pathlib import Path

from tracardi_console.logs import logging_at

# In a process of its own: this one hands its environment to all later ones, and would keep what the
# file of settings said once. It says in one line what is wrong with them.
_said = subprocess.run(
    [sys.executable, "-m", "tracardi_console.starting"], stdout=subprocess.PIPE, text=True
)
if _said.returncode:
    sys.exit(_said.returncode)
_settings = json.loads(_said.stdout)

bind = "127.0.0.1:8000"
worker_class = "gthread"
threads = 8
# Capture, promote and roll back are done by the request itself.
timeout = 120
graceful_timeout = 90
# In memory: a slow disk must not look like a process that hangs.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
control_socket_disable = True
# BEHIND_PROXY alone decides whether the proxy is believed about the scheme; gunicorn by itself
# believes whatever comes from this machine.
forwarded_allow_ips = ""

logconfig_dict = logging_at(_settings["level"], _settings["format"])
logconfig_dict["loggers"] |= {
    "gunicorn.error": {"handlers": ["console"], "level": "INFO", "propagate": False},
    # The console logs each request itself, without its address.
    "gunicorn.access": {"handlers": [], "level": "WARNING", "propagate": False},
}
