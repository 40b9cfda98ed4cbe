"""`manage.py diff A B`: what differs between two builds, what is live, or what is there now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from environments.masking import shown
from promotion import comparison
from promotion.commands import BadInputError, attempt, find_environment, print_outcome
from promotion.comparison import Row
from promotion.engine.diff import Change, Counts, total
from promotion.engine.errors import RuleBroken
from promotion.engine.fields import FieldChange
from promotion.sides import Side, side, split


class Command(BaseCommand):
    help = (
        "Print what differs between two sides: ENVIRONMENT:NUMBER, a build; ENVIRONMENT:gNUMBER, a "
        "generation; ENVIRONMENT:live, what was promoted last; ENVIRONMENT:now, what is there. "
        "Secrets are masked. Changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("before", metavar="A")
        parser.add_argument("after", metavar="B")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print one JSON object")
        form.add_argument("--stat", action="store_true", help="print only counts, by resource")

    def handle(self, *_args: Any, **options: Any) -> None:
        in_full = not options["stat"]
        facts, code = attempt(
            lambda: _facts(_side(options["before"]), _side(options["after"]), in_full=in_full)
        )
        if options["json"] or code:
            print_outcome(self, facts, code, as_json=options["json"])
        else:
            self._print(facts, in_full=in_full)

    def _print(self, facts: dict[str, Any], *, in_full: bool) -> None:
        self.stdout.write(facts["message"])
        for row in facts["resources"]:
            self.stdout.write(
                f"  {row['resource']:<26} +{row['added']} ~{row['changed']} -{row['removed']}"
                f"  noise {row['noise']}"
            )
        for document in facts["documents"] if in_full else ():
            was = f", was {document['was']!r}" if document["was"] else ""
            self.stdout.write(
                f"\n{document['resource']} {document['title']!r} ({document['id']}): "
                f"{document['change']}{was}"
            )
            for sentence in document["words"]:
                self.stdout.write(f"  {sentence}")
            if document["problem"]:
                self.stdout.write(f"  {document['problem']}")


def _side(words: str) -> Side:
    try:
        slug, which = split(words)
        return side(find_environment(slug), which)
    except RuleBroken as error:
        raise BadInputError(str(error)) from error


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
