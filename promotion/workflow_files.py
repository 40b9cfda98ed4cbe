"""Workflow tests as YAML files, one a test, fit for git."""

from typing import Any, Final

import yaml

from promotion.engine.workflow import BadWorkflowError, WorkflowTest

LARGEST: Final = 256 * 1024


class _Loader(yaml.SafeLoader):
    """Knows what JSON knows. A name that stands twice, or for another place, is refused.

    YAML takes the last of two equal names in silence, reads `no` as false in a list of segments as
    well, and lets ten lines stand for a billion.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise BadWorkflowError(f"{_line(event)}: write it out; no file may refer.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _value in node.value:
            if not isinstance(key.value, str):
                raise BadWorkflowError(f"{_line(key)}: that is no name of a field.")
            if key.value in seen:
                raise BadWorkflowError(f"{_line(key)}: {key.value[:60]!r} stands there twice.")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _line(where: Any) -> str:
    return f"Line {where.start_mark.line + 1}"


def dump(test: WorkflowTest) -> str:
    """Return a test as a file: equal for equal tests."""
    text: str = yaml.safe_dump(
        test.to_dict(), sort_keys=False, allow_unicode=True, default_flow_style=False, width=100
    )
    return text


def load(text: str) -> WorkflowTest:
    """Return the test that a file holds.

    Raises:
        BadWorkflowError: it holds none; `str()` says where.
    """
    if len(text) > LARGEST:
        raise BadWorkflowError(f"The file is larger than {LARGEST // 1024} KiB.")
    try:
        # A loader of our own, which is a safe one.
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"Line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise BadWorkflowError(f"{where}that is no YAML: {problem}.") from error
    except BadWorkflowError:
        raise
    except RecursionError as error:
        raise BadWorkflowError("The file is nested too deep.") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # A day that there is not, a number of ten thousand digits, a tag that does not fit.
        raise BadWorkflowError("It holds a value that cannot be read; put it in quotes.") from error
    return WorkflowTest.from_dict(raw)
