"""What keeps the database itself from changing or deleting an audit event.

Whoever may alter tables may remove it: then `verify-audit` says so, and the chain and its anchor
tell what was changed.
"""

from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

TABLE: Final = "accounts_auditevent"
WORDS: Final = "Audit events are never changed or deleted."
_NAME: Final = "accounts_auditevent_is_append_only"
_WHAT: Final = ("update", "delete")


def create(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers, where they are not there; again is harmless."""
    with connection.cursor() as cursor:
        for statement in _created(connection.vendor):
            cursor.execute(statement)


def drop(connection: BaseDatabaseWrapper) -> None:
    """Remove the triggers; for tests, which empty the tables after themselves."""
    with connection.cursor() as cursor:
        for name in _guarded(connection.vendor):
            on = f" ON {TABLE}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of the triggers that are not there, or are switched off."""
    if connection.vendor == "postgresql":
        asked = (
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal "
            "AND tgenabled <> 'D'"
        )
    else:
        asked = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s"
    with connection.cursor() as cursor:
        cursor.execute(asked, [TABLE])
        there = {row[0] for row in cursor.fetchall()}
    return [name for name in _guarded(connection.vendor) if name not in there]


def _guarded(vendor: str) -> dict[str, str]:
    """Return what a database is kept from, by the name of the trigger."""
    what = (*_WHAT, "truncate") if vendor == "postgresql" else _WHAT
    return {f"{_NAME}_{one}": one for one in what}


def _created(vendor: str) -> list[str]:
    if vendor != "postgresql":
        return [
            f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {what.upper()} ON {TABLE} "
            f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
            for name, what in _guarded(vendor).items()
        ]
    function = (
        f"CREATE OR REPLACE FUNCTION {_NAME}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{WORDS}' USING ERRCODE = 'restrict_violation'; END $$"
    )
    statements = [function]
    for name, what in _guarded(vendor).items():
        each = "STATEMENT" if what == "truncate" else "ROW"
        statements.append(
            f"CREATE OR REPLACE TRIGGER {name} BEFORE {what.upper()} ON {TABLE} "
            f"FOR EACH {each} EXECUTE FUNCTION {_NAME}()"
        )
    return statements
