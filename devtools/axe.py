"""Fetches axe-core, which finds what keeps people from using a page, once, from npm's registry."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

VERSION: Final = "4.10.3"
# As the registry has it; whatever registry answers, it is this file or none.
SHA512: Final = (
    "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg=="
)
CACHE: Final = Path(__file__).resolve().parent.parent / ".cache" / "axe"


class AxeError(Exception):
    """It cannot be had. `str()` says what to do."""


def script() -> str:
    """Return axe-core as one script.

    Raises:
        AxeError: npm is missing, does not answer, or gave another file.
    """
    kept = CACHE / f"axe-{VERSION}.js"
    if not kept.is_file():
        _fetch(kept)
    return kept.read_text()


def _fetch(kept: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise AxeError("npm is missing: run devtools/system-packages.")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603
            [npm, "pack", f"axe-core@{VERSION}", "--silent"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        archive = Path(folder) / f"axe-core-{VERSION}.tgz"
        if done.returncode or not archive.is_file():
            raise AxeError(f"npm could not fetch axe-core {VERSION}: {done.stderr[-300:]}")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != SHA512:
            raise AxeError(f"What npm gave for axe-core {VERSION} is another file than ever.")
        with tarfile.open(archive) as packed:
            member = packed.extractfile("package/axe.min.js")
            if member is None:
                raise AxeError(f"axe-core {VERSION} holds no axe.min.js.")
            source = member.read()
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: tests run side by side.
    part = kept.with_suffix(f".{hashlib.sha256(str(kept).encode()).hexdigest()[:6]}.part")
    part.write_bytes(source)
    part.replace(kept)
