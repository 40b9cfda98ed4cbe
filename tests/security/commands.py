"""Who may run which command: one row a command of ours, one column a kind of person as `--as`.

done   it does it, and ends with 0
broke  it may, and it did not succeed: 1. The engine answers nothing in this world
rule   it may, and a rule says no: 3, with a code
role   the role does not allow it: 3, without a code, and an audit event
bad    2: there is nothing for it to do it to, and who it is may know that
gone   2: there is no such active user, or no such environment, of what this person may see

A person of the pipeline that was not granted learns no more than on a page: 404 there, `gone` here.
A new command is a new row, and fails until it has one.
"""

from typing import Final

from tests.security.world import PERSONS

TABLE: Final = """
command         nobody marketing m-else qa    q-else admin disabled arguments

environments    gone   done      done   done  done   done  gone
diff            gone   role      gone   done  gone   done  gone     {staging}:1 {staging}:2
export          gone   role      gone   done  gone   done  gone     {staging}:1 {new}
export-suite    gone   role      gone   done  gone   done  gone     {staging} {suite} {new}
plan            gone   role      gone   broke gone   broke gone     {staging}:1 {production}
drift           gone   role      gone   role  gone   bad   gone     {production}
engine-role     gone   role      role   role  role   done  gone
licence         gone   role      role   role  role   done  gone
rotate-keys     gone   role      role   role  role   done  gone
backup          gone   role      role   role  role   done  gone     {new}
capture         gone   role      gone   broke gone   broke gone     {staging}
compose         gone   role      gone   rule  gone   rule  gone     {staging}:1 --resource flow
review          gone   role      gone   done  gone   role  gone     {staging}:1 --approve
import-suite    gone   role      gone   done  gone   done  gone     {staging} New {tests}
require-suite   gone   role      gone   role  gone   done  gone     {staging} {suite} run
test-workflows  gone   role      gone   rule  gone   rule  gone     {staging}
import          gone   role      gone   rule  gone   rule  gone     {file} {staging}
bundle          gone   role      gone   role  gone   done  gone     {staging}:1 {new}
promote         gone   role      gone   role  gone   rule  gone     {staging}:1 {production}
promote-batch   gone   role      gone   role  gone   broke gone     --target {production}
rehearse        gone   role      gone   role  gone   rule  gone     {staging}:1 {production}
rollback        gone   role      gone   role  gone   rule  gone     {production}
adopt           gone   role      gone   role  gone   rule  gone     {production}
release         gone   role      gone   role  gone   rule  gone     {production}
lock            gone   role      gone   role  gone   rule  gone     {production}
unlock          gone   role      gone   role  gone   rule  gone     {production} --reason x
reconcile       gone   role      gone   role  gone   broke gone     {production}
provision       gone   role      gone   role  gone   broke gone     {staging} --like {staging} --yes
settle-drift    gone   role      gone   role  gone   rule  gone     {production} keep
recipes         gone   role      gone   role  gone   done  gone     {staging} --out {new}
smoke-check     gone   role      gone   role  gone   bad   gone     {production}
health          gone   role      gone   broke gone   broke gone     {production}
check-network   gone   role      gone   role  gone   broke gone     {production}
"""
# Of ours, those that nobody is named for, and why.
UNASKED: Final = {
    "verify-receipt": "reads a file that the caller holds, and asks no database",
    "verify-audit": "proves the trail against whoever runs the console, and prints numbers",
    "make_key": "prints random bytes",
    "sync_roles": "makes grants what the table of roles says, as each migration does",
    "create_admin": "makes the first account, when nobody is there to name",
    "handover": "for the server's operator, where nobody gets in; leaves an event with the reason",
    "changepassword": "for who is locked out; leaves an event with the user of the system",
    "createsuperuser": "always refuses",
    "restore": "for an empty or damaged database, where nobody is there to name; leaves an event",
    "worker": "runs what people asked for, who were judged when they did",
}
# Django's and its packages': whoever runs them has the database, and could do without the console.
# What the database itself keeps them from, tests/security/test_matrix_commands.py proves.
OTHERS: Final = {
    "may write what nobody asked for; triggers and constraints hold": {
        "dbshell",
        "shell",
        "loaddata",
        "flush",
        "testserver",
    },
    "read the database, past every role": {"dumpdata", "inspectdb", "sqlflush"},
    "change or print the shape of the database": {
        "migrate",
        "makemigrations",
        "optimizemigration",
        "showmigrations",
        "sqlmigrate",
        "sqlsequencereset",
        "squashmigrations",
        "createcachetable",
        "remove_stale_contenttypes",
    },
    "run the console or its worker, or tidy up after it": {
        "runserver",
        "db_worker",
        "account_unsetmultipleprimaryemails",
        "prune_db_task_results",
        "clearsessions",
        "clean_orphan_obj_perms",
        "collectstatic",
        "findstatic",
    },
    "are for programmers, and touch no data": {
        "check",
        "compilemessages",
        "diffsettings",
        "makemessages",
        "sendtestemail",
        "startapp",
        "startproject",
        "test",
    },
}


def read_table(table: str) -> dict[str, tuple[dict[str, str], str]]:
    """Return by command the outcome for each person, and the arguments."""
    rows = {}
    for line in table.splitlines()[2:]:
        if line:
            name, *words = line.split(maxsplit=len(PERSONS) + 1)
            arguments = words[len(PERSONS)] if len(words) > len(PERSONS) else ""
            rows[name] = (dict(zip(PERSONS, words, strict=False)), arguments)
    return rows


ROWS: Final = read_table(TABLE)
