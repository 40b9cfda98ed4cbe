"""Writes a build to a folder as readable files, and replaces what an earlier export wrote there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from accounts.derivation import derived_key
from environments.documents import DocumentError, parse
from environments.masking import masked, tagged
from promotion.engine.errors import RuleBroken
from promotion.engine.files import FORMAT, INDEX, as_file, file_names, index_file
from promotion.engine.manifest import Tree
from promotion.models import Build
from promotion.store import DatabaseContent

# Written beside a file before it takes the file's place.
_PART: Final = ".part"


@dataclass(frozen=True)
class Exported:
    """How many files an export wrote anew, left as they were, and removed."""

    written: int
    unchanged: int
    removed: int


def export(build: Build, folder: Path) -> Exported:
    """Write one file a document, decoded, sorted, secrets masked, and remove what is gone.

    Files of equal content are equal to the byte, so a folder in git shows what changed. A file that
    no export wrote, such as git's own, is left alone.

    Raises:
        RuleBroken: the folder holds something that no export made, or cannot be written to.
    """
    before = _exported_before(folder)
    content = DatabaseContent()
    trees = {
        name: content.tree(part.tree.digest) for name, part in sorted(build.resources().items())
    }
    names = {name: _names(tree) for name, tree in trees.items()}
    files = {name: sorted(of.values()) for name, of in names.items()}
    counts = {True: 0, False: 0}
    gone = before - {f"{name}/{file}" for name, listed in files.items() for file in listed}
    try:
        # Lists the files of the one before too: whoever is cut short here can begin again.
        _put(folder / INDEX, index_file("", build.version, _with(files, gone)))
        for name, tree in trees.items():
            for doc_id, source in content.sources(tree):
                if doc_id in names[name]:
                    body = _file(name, doc_id, source)
                    counts[_put(folder / name / names[name][doc_id], body)] += 1
        for path in sorted(gone):
            (folder / path).unlink(missing_ok=True)
        _put(folder / INDEX, index_file(build.content, build.version, files))
    except OSError as error:
        raise RuleBroken(
            f"{error.filename or folder} cannot be written: {error.strerror}. The folder may hold "
            "a part of the export. Mend it and export again."
        ) from error
    return Exported(counts[True], counts[False], len(gone))


def _names(tree: Tree) -> dict[str, str]:
    # What is nothing but noise differs between equal builds.
    return file_names(entry.id for entry in tree.entries if entry.content)


def _with(files: Mapping[str, list[str]], paths: Iterable[str]) -> dict[str, list[str]]:
    """Return files by resource, with those of some paths added."""
    found = {name: list(listed) for name, listed in files.items()}
    for path in paths:
        name, _, file = path.partition("/")
        found.setdefault(name, []).append(file)
    return found


def _file(resource: str, doc_id: str, source: bytes) -> bytes:
    hide = tagged(derived_key(f"export\0{resource}\0{doc_id}"))
    return as_file(resource, doc_id, masked(resource, parse(source), hide))


def _exported_before(folder: Path) -> set[str]:
    """Return the paths that an earlier export wrote to the folder."""
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise RuleBroken(f"{folder} is no folder. Nothing was written. Name another.")
    index = folder / INDEX
    if not index.is_file():
        if any(one.name != ".git" for one in folder.iterdir()):
            raise RuleBroken(
                f"{folder} holds files that no export made. Nothing was written. Name an empty "
                "folder, or one that an earlier export made."
            )
        return set()
    try:
        held = parse(index.read_bytes())
        if held["format"] != FORMAT:
            raise KeyError("format")
        paths = {f"{name}/{file}" for name, listed in held["files"].items() for file in listed}
    except (DocumentError, KeyError, TypeError, AttributeError) as error:
        raise RuleBroken(
            f"{index} is not what an export wrote. Nothing was written. Name another folder."
        ) from error
    root = folder.resolve()
    for path in paths:
        # It was edited: nothing outside is ever removed.
        if (root / path).resolve().parent.parent != root:
            raise RuleBroken(f"{index} lists {path!r}, outside of the folder. Nothing was written.")
    return paths


def _put(path: Path, body: bytes) -> bool:
    """Write a file whole or not at all; answer whether it differs from what was there."""
    if path.is_file() and path.read_bytes() == body:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + _PART)
    part.write_bytes(body)
    part.replace(path)
    return True
