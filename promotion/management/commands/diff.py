"""`manage.py diff A B --as USER`: what differs between builds, what is live, or there now."""

from argparse import ArgumentParser
from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.masking import shown
from promotion import comparison
from promotion.commands import (
    ActingCommand,
    BadInputError,
    command_actor,
    find_environment,
    show_build,
)
from promotion.comparison import Row
from promotion.engine.diff import Change, Counts, total
from promotion.engine.errors import RuleBroken
from promotion.engine.fields import FieldChange
from promotion.sides import Side, side, split

ACTION = "builds.compare"


class Command(ActingCommand):
    help = (
        "Print what differs between two sides: ENVIRONMENT:NUMBER, a build; ENVIRONMENT:gNUMBER, a "
        "generation; ENVIRONMENT:live, what was promoted last; ENVIRONMENT:now, what is there. "
        "Secrets are masked. Changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("before", metavar="A")
        parser.add_argument("after", metavar="B")
        parser.add_argument("--stat", action="store_true", help="only counts, by resource")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        before, after = (_side(user, options[name]) for name in ("before", "after"))
        return _facts(before, after, in_full=not options["stat"])

    def tell(self, outcome: dict[str, Any], options: dict[str, Any]) -> None:
        self.stdout.write(outcome["message"])
        for row in outcome["resources"]:
            self.stdout.write(
                f"  {row['resource']:<26} +{row['added']} ~{row['changed']} -{row['removed']}"
                f"  noise {row['noise']}"
            )
        for document in outcome["documents"]:
            was = f", was {document['was']!r}" if document["was"] else ""
            self.stdout.write(
                f"\n{document['resource']} {document['title']!r} ({document['id']}): "
                f"{document['change']}{was}"
            )
            for sentence in document["words"]:
                self.stdout.write(f"  {sentence}")
            if document["problem"]:
                self.stdout.write(f"  {document['problem']}")


def _side(user: User, words: str) -> Side:
    try:
        slug, which = split(words)
        environment = find_environment(user, slug)
        authorise(command_actor(user), Verb.VIEW_BUILD, ACTION, environment)
        found = side(environment, which)
    except RuleBroken as error:
        raise BadInputError(str(error)) from error
    if found.build is not None:
        show_build(user, ACTION, found.build)
    return found


def _facts(before: Side, after: Side, *, in_full: bool) -> dict[str, Any]:
    found = comparison.rows(before, after)
    counts = comparison.counts(found)
    both = total({resource.name: one for resource, one in counts})
    return {
        "status": "done",
        "before": before.ref,
        "after": after.ref,
        "message": f"{before.words} → {after.words}: {_summary(both)}.",
        "resources": [
            {
                "resource": resource.name,
                "added": one.added,
                "changed": one.changed,
                "removed": one.removed,
                "noise": one.noise,
            }
            for resource, one in counts
        ],
        "documents": [
            _document(before, after, row) for row in found if row.kind is not Change.NOISE
        ]
        if in_full
        else [],
    }


def _summary(both: Counts) -> str:
    if not both.any:
        return "nothing differs but noise" if both.noise else "both are equal"
    said = {"added": both.added, "changed": both.changed, "removed": both.removed}
    return ", ".join(f"{count} {what}" for what, count in said.items() if count)


def _document(before: Side, after: Side, row: Row) -> dict[str, Any]:
    details = comparison.details(before.content, after.content, row.resource.name, row.change)
    return {
        "resource": row.resource.name,
        "id": row.id,
        "title": row.title,
        "change": row.kind.value,
        "was": row.old_id or row.was,
        "words": [one.text for one in details.sentences],
        "problem": details.problem,
        "fields": [_field(one) for one in details.real],
    }


def _field(one: FieldChange) -> dict[str, Any]:
    return {
        "place": one.place,
        "change": one.kind.value,
        "before": _plain(one.before),
        "after": _plain(one.after),
    }


def _plain(value: Any) -> Any:
    """Return a value without the tags of its masks."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return shown(value) if isinstance(value, str) else value
