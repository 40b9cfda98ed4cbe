"""A suite as a folder of YAML files, one a workflow test."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from promotion.engine.manifest import oid_of
from promotion.engine.workflow import BadWorkflowError, WorkflowTest
from promotion.workflow_files import LARGEST, dump, load

ENDINGS: Final = (".yaml", ".yml")
_LONGEST: Final = 60


def read_folder(folder: Path) -> list[WorkflowTest]:
    """Return the tests that a folder's YAML files hold, by the files' names.

    Raises:
        BadWorkflowError: one holds none, or two have one name; each is named.
        OSError: the folder or a file cannot be read.
    """
    found: dict[str, WorkflowTest] = {}
    files: dict[str, str] = {}
    problems = []
    for path in sorted(folder.iterdir()):
        if path.suffix not in ENDINGS or not path.is_file():
            continue
        try:
            test = load(_text(path))
        except BadWorkflowError as error:
            problems.append(f"{path.name}: {error}")
            continue
        if test.name in found:
            problems.append(f"{path.name}: {files[test.name]} has the name {test.name!r} too.")
        found[test.name], files[test.name] = test, path.name
    if not found and not problems:
        problems.append(f"{folder} holds no file that ends with {' or '.join(ENDINGS)}.")
    if problems:
        raise BadWorkflowError("\n".join(problems))
    return list(found.values())


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise BadWorkflowError(f"The file is larger than {LARGEST // 1024} KiB.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadWorkflowError("The file is no UTF-8.") from error


def write_folder(folder: Path, tests: Sequence[WorkflowTest]) -> list[Path]:
    """Write one file a test, and return those of the folder's YAML files that hold another.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = {name: dump(test) for name, test in zip(file_names(tests), tests, strict=True)}
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    there = (path for path in sorted(folder.iterdir()) if path.suffix in ENDINGS)
    return [path for path in there if path.name not in written]


def file_names(tests: Sequence[WorkflowTest]) -> list[str]:
    """Return a file name for each, which no other test changes."""
    stems = [re.sub(r"[^a-z0-9]+", "-", one.name.lower()).strip("-")[:_LONGEST] for one in tests]
    return [
        # Two may look alike once they are spelt for a file.
        f"{stem}-{oid_of(one.name.encode())[:8]}.yaml"
        if not stem or stems.count(stem) > 1
        else f"{stem}.yaml"
        for stem, one in zip(stems, tests, strict=True)
    ]
