"""Makes index templates and indices in a cluster, each only where nothing of its name is there."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from environments.elastic import Refused, Unreachable
from environments.provisioning import Kind, Step
from promotion.again import again
from promotion.cluster import translated
from promotion.engine.errors import Conflict
from promotion.writer import HIGHEST, ClusterWriter

_PATHS: Final = {Kind.TEMPLATE: "/_index_template", Kind.LEGACY_TEMPLATE: "/_template"}
_PARTS: Final = ("mappings", "settings")
# A pattern that no index of anybody matches, for what is only to be judged.
_NOWHERE: Final = "tracardi-console.no-such-index"


class SetMaker(ClusterWriter):
    """One cluster in which a set of indices is made."""

    def templates(self) -> dict[tuple[Kind, str], Mapping[str, Any]]:
        """Return the bodies of all index templates of the cluster, of both kinds."""
        found: dict[tuple[Kind, str], Mapping[str, Any]] = {}
        for one in self._ask("GET", "/_index_template")["index_templates"]:
            found[Kind.TEMPLATE, one["name"]] = one["index_template"]
        for name, body in self._ask("GET", "/_template").items():
            found[Kind.LEGACY_TEMPLATE, name] = body
        return found

    def refusal(self, step: Step) -> str:
        """Return the engine's words where it would not take what a step makes. Makes nothing.

        Raises:
            Temporary: it cannot say just now.
        """
        body = dict(step.body)
        if step.kind is Kind.INDEX:
            body = _judged({"mappings": body["mappings"], "settings": body["settings"]})
        elif step.kind is Kind.LEGACY_TEMPLATE:
            body = _judged({name: body.get(name) or {} for name in _PARTS})
        with translated():
            try:
                again(
                    lambda: self.connection.request("POST", "/_index_template/_simulate", body=body)
                )
            except Refused as error:
                if error.temporary or error.status not in {400, 422}:
                    raise
                return error.cause or error.detail or str(error)
        return ""

    def make(self, step: Step) -> None:
        """Make what a step says; an answer that was lost is asked for again.

        Raises:
            Conflict: something of that name is there already. It was left alone.
        """
        if step.kind is Kind.INDEX:
            body = {} if step.by_template else step.body
            self._make("PUT", f"/{quote(step.name)}", body, {"wait_for_active_shards": "0"})
            return
        unsure = False

        def send() -> Any:
            nonlocal unsure
            try:
                return self._send(
                    "PUT",
                    f"{_PATHS[step.kind]}/{quote(step.name)}",
                    params={"create": "true"},
                    body=step.body,
                )
            except Refused as error:
                if "already exists" not in error.detail:
                    raise
                if unsure:
                    # By the attempt whose answer was lost; it is read back at the end.
                    return None
                raise Conflict(str(error)) from error
            except Unreachable:
                unsure = True
                raise

        with translated():
            again(send)


def _judged(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"index_patterns": [_NOWHERE], "priority": HIGHEST, "template": dict(parts)}
