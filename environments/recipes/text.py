"""How a recipe's files are written: YAML out of data, and heads that say what a file is. Pure."""

from collections.abc import Iterable
from typing import Any, Final

import yaml

MADE_BY: Final = "Made by Tracardi Console: change the answers there, not this file."


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def head(*lines: str) -> str:
    """Return the comment that a file begins with."""
    return "".join(f"# {line}".rstrip() + "\n" for line in (*lines, MADE_BY))


def as_yaml(about: str, *documents: dict[str, Any]) -> str:
    """Return documents as one YAML file, in the order that they are given in."""
    parts = [
        yaml.dump(one, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
        for one in documents
    ]
    return head(about) + "---\n".join(["\n", *parts] if len(parts) == 1 else ["", *parts])


def indented(lines: Iterable[str], by: str) -> str:
    """Return lines, each behind `by`; an empty one stays empty."""
    return "".join(f"{by}{line}\n" if line else "\n" for line in lines)
