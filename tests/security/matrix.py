"""Who may open and change what: one row a route, one column a kind of person.

A cell is the status of a GET and of a POST, `200/405`, or one for both. Any other method is 405 on
every address for everybody. The rest follows from these rules, and a row that breaks one is a hole:

302  to the sign-in, for whoever is not signed in or was switched off since
404  where a person does not learn that the thing exists: all of an environment that was not granted
403  where the thing may be seen, or is nobody's, and the role does not allow this with it
405  where the page knows no such method
400  where the form that is sent is not complete, for who may send it; else 302 to what came of it
503  where the engine is asked, which answers nothing in this world, of who may see its answer

A thing is of the pipeline that `marketing` and `qa` are granted; `m-else` and `q-else` are granted
the other one. What each thing is, tests/security/world.py says. What a row needs besides its path
and its method is in QUERIES and FORMS. A new route is a new row, and fails until it has one.
"""

from dataclasses import dataclass
from typing import Any, Final

from tests.security.world import CONTENT, HERE, PERSONS

TABLE: Final = """
route                  thing       nobody marketing m-else  qa      q-else  administrator disabled

: the project
audit                  -           302    403/405   403/405 200/405 200/405 200/405       302
export-audit           csv         302    403/405   403/405 200/405 200/405 200/405       302
live                   -           200/405 200/405  200/405 200/405 200/405 200/405       200/405
ready                  -           200/405 200/405  200/405 200/405 200/405 200/405       200/405
metrics                -           404/405 404/405  404/405 404/405 404/405 404/405       404/405

: one's own sign-in; what is read here may be open to all, and only of oneself
account_login          -           200    302       302     302     302     302           200
account_logout         -           302    200/302   200/302 200/302 200/302 200/302       302
account_inactive       -           200/405 200/405  200/405 200/405 200/405 200/405       200/405
account_signup         -           200    302       302     302     302     302           200
account_reauthenticate -           302    200       200     200     200     200           302
account_change_password -          302    200       200     200     200     200           302
account_set_password   -           302    200       200     200     200     200           302
account_reset_password -           200    200       200     200     200     200           200
account_reset_password_done -      200/405 200/405  200/405 200/405 200/405 200/405       200/405
account_reset_password_from_key link 200  200       200     200     200     200           200
account_reset_password_from_key_done - 200/405 200/405 200/405 200/405 200/405 200/405    200/405
mfa_index              -           302    200/405   200/405 200/405 200/405 200/405       302
mfa_authenticate       -           302    302       302     302     302     302           302
mfa_reauthenticate     -           302    302       302     302     302     302           302
mfa_activate_totp      -           302    200       200     200     200     200           302
mfa_deactivate_totp    -           302    404       404     404     404     404           302
mfa_view_recovery_codes -          302    404/405   404/405 404/405 404/405 404/405       302
mfa_generate_recovery_codes -      302    200       200     200     200     200           302
mfa_download_recovery_codes -      302    404       404     404     404     404           302
mfa_list_webauthn      -           302    200/405   200/405 200/405 200/405 200/405       302
mfa_add_webauthn       -           302    200       200     200     200     200           302
mfa_reauthenticate_webauthn -      302    302       302     302     302     302           302
mfa_remove_webauthn    key         302    404       404     404     404     404           302
mfa_edit_webauthn      key         302    404       404     404     404     404           302
usersessions_list      -           302    200/302   200/302 200/302 200/302 200/302       302
socialaccount_signup   -           200    302       302     302     302     302           200
openid_connect_login   provider    404    404       404     404     404     404           404
openid_connect_callback provider    404/405  404/405  404/405  404/405 404/405 404/405     404/405

accounts: people, for the administrator; an offer is also of whom it is made to; one's own settings
people                 -           302    403       403     403     403     200/405       302
invite                 -           302    403       403     403     403     200/400       302
person                 person      302    403       403     403     403     200           302
set-rights             person      302    403       403     403     403     405/302       302
switch                 person      302    403       403     403     403     405/302       302
sign-out               person      302    403       403     403     403     405/302       302
reset-factor           person      302    403       403     403     403     405/302       302
renew-link             person      302    403       403     403     403     405/200       302
view-as                person      302    403       403     403     403     405/302       302
preferences            -           302    200/400   200/400 200/400 200/400 200/400       302
tour                   -           302    405/302   405/302 405/302 405/302 405/302       302
end-view-as            -           302    405/302   405/302 405/302 405/302 405/302       302
handover               -           302    403       403     200     403     200/400       302
accept-handover        offer       302    405/404   405/404 405/302 405/404 405/404       302
end-handover           offer       302    405/404   405/404 405/302 405/404 405/302       302

environments: what an engine has, and the licence
dashboard              staging     302    503/405   404/405 503/405 404/405 503/405       302
around                 staging     302    503/405   404/405 503/405 404/405 503/405       302
dashboard-export       tile        302    503/405   404/405 503/405 404/405 503/405       302
configuration          staging     302    503/405   404/405 503/405 404/405 503/405       302
views                  staging     302    200/405   404/405 200/405 404/405 200/405       302
save-view              staging     302    405/400   405/404 405/400 405/404 405/400       302
change-view            view        302    405/403   405/404 405/403 405/404 405/403       302
pin-view               view        302    405/302   405/404 405/302 405/404 405/302       302
unpin-view             staging     302    405/302   405/404 405/302 405/404 405/302       302
remove-view            view        302    403       404     403     404     403           302
ask-for-summary        staging     302    405/302   405/404 405/302 405/404 405/302       302
end-summary            summary     302    405/404   405/404 405/404 405/404 405/404       302
documents              flows       302    503/405   404/405 503/405 404/405 503/405       302
document               flow        302    503/405   404/405 503/405 404/405 503/405       302
way                    staging     302    503/405   404/405 503/405 404/405 503/405       302
accounts               staging     302    403/405   404/405 403/405 404/405 503/405       302
licence                -           302    403       403     403     403     200/405       302
licence-add            -           302    403       403     403     403     200/400       302
licence-change         licence     302    403       403     403     403     200/400       302
licence-renew          licence     302    403       403     403     403     200/400       302
licence-key            licence     302    403       403     403     403     405/200       302
licence-remove         licence     302    403       403     403     403     200/302       302
licence-cover          covered     302    403       403     403     403     405/302       302
health                 staging     302    200/405   404/405 200/405 404/405 200/405       302
look                   staging     302    405/403   405/404 405/302 405/404 405/302       302
funnels                staging     302    200/405   404/405 200/405 404/405 200/405       302
funnel-new             staging     302    403       404     200/400 404     200/400       302
funnel-change          funnel      302    403       404     200/400 404     200/400       302
funnel-remove          funnel      302    403       404     200/302 404     200/302       302
network                production  302    403/405   404/405 403/405 404/405 200/405       302
run-network            production  302    405/403   405/404 405/403 405/404 405/302       302
set-probe              address     302    405/403   405/404 405/403 405/404 405/302       302
connect                -           302    403       403     403     403     200/400       302
connect-cluster        cluster     302    403       403     403     403     503/405       302
connect-environments   cluster     302    403       403     403     403     503           302
test-cluster           cluster     302    403       403     403     403     405/302       302
remove-cluster         cluster     302    403       403     403     403     200/400       302
remove-environment     staging     302    403       404     403     404     200/400       302
recipes                staging     302    403       404     403     404     200/400       302
recipe-version         recipe      302    403/405   404/405 403/405 404/405 200/405       302
download-recipe        recipe      302    405/403   405/404 405/403 405/404 405/200       302

promotion: environments
environments           -           302    200/405   200/405 200/405 200/405 200/405       302
environment            staging     302    200/405   404/405 200/405 404/405 200/405       302
capture                staging     302    405/403   405/404 405/302 405/404 405/302       302
checklist              staging     302    403       404     403     404     200/400       302
adopt                  production  302    403       404     403     404     200/400       302
release                production  302    403       404     403     404     200/400       302
rollback               production  302    403       404     403     404     200/400       302
reconcile              production  302    403       404     403     404     200/400       302
rehearse-rollback      production  302    405/403   405/404 405/403 405/404 405/302       302
provision              staging     302    403       404     403     404     200/400       302
refresh                staging     302    403       404     403     404     200/400       302
lock                   production  302    405/403   405/404 405/403 405/404 405/302       302
unlock                 production  302    405/403   405/404 405/403 405/404 405/302       302
prolong                production  302    405/403   405/404 405/403 405/404 405/302       302
drift                  production  302    403/405   404/405 200/405 404/405 200/405       302
check-drift            production  302    405/403   405/404 405/403 405/404 405/302       302
keep-drift             production  302    405/403   405/404 405/403 405/404 405/302       302
discard-drift          production  302    403       404     403     404     200/400       302
carry-drift            production  302    403       404     403     404     200/400       302
live-at                production  302    404/405   404/405 200/405 404/405 200/405       302
history                flows       302    404/405   404/405 200/405 404/405 200/405       302

promotion: builds
builds                 -           302    403/405   403/405 200/405 200/405 200/405       302
reviews                -           302    403/405   403/405 200/405 200/405 200/405       302
compare                -           302    403/405   403/405 200/405 404/405 200/405       302
compare-document       -           302    403/405   403/405 200/405 404/405 200/405       302
compare-way            -           302    403/405   403/405 200/405 404/405 200/405       302
build                  build       302    404/405   404/405 200/405 404/405 200/405       302
document               document    302    404/405   404/405 200/405 404/405 200/405       302
compose                build       302    404       404     200     404     200           302
comment                build       302    404       404     200/400 404     200/400       302
resolve-comment        comment     302    405/404   405/404 405/302 405/404 405/302       302
review                 build       302    405/404   405/404 405/302 405/404 405/403       302
prepare                build       302    405/404   405/404 405/403 405/404 405/302       302
promote                build       302    404       404     403     404     200/400       302
rehearse               build       302    405/404   405/404 405/403 405/404 405/302       302
coverage               build       302    404/405   404/405 200/405 404/405 200/405       302

promotion: workflow tests
suites                 -           302    403/405   403/405 200/405 200/405 200/405       302
new-suite              -           302    403       403     200/400 200/400 200/400       302
suite                  suite       302    404/405   404/405 200/405 404/405 200/405       302
rename-suite           suite       302    405/404   405/404 405/302 405/404 405/302       302
require-suite          suite       302    405/404   405/404 405/403 405/404 405/302       302
retire-suite           suite       302    405/404   405/404 405/302 405/404 405/302       302
export-suite           suite       302    404/405   404/405 200/405 404/405 200/405       302
import-tests           suite       302    405/404   405/404 405/400 405/404 405/400       302
record-test            suite       302    404/405   404/405 503/405 404/405 503/405       302
run-suite              suite       302    405/404   405/404 405/302 405/404 405/302       302
new-test               suite       302    404       404     200/400 404     200/400       302
test                   test        302    404       404     200/400 404     200/400       302
drop-test              test        302    405/404   405/404 405/302 405/404 405/302       302
suite-run              run         302    404/405   404/405 200/405 404/405 200/405       302
cancel-run             run         302    405/404   405/404 405/302 405/404 405/302       302
run-again              run         302    405/404   405/404 405/302 405/404 405/302       302
run-result             result      302    404/405   404/405 200/405 404/405 200/405       302

promotion: promotions and batches; a batch is over all tenants, so of no environment
promotions             -           302    200/405   200/405 200/405 200/405 200/405       302
promotion              went        302    200/405   404/405 200/405 404/405 200/405       302
receipt                went        302    403/405   404/405 200/405 404/405 200/405       302
smoke                  went        302    405/403   405/404 405/403 405/404 405/302       302
cancel                 goes        302    405/404   405/404 405/403 405/404 405/302       302
batches                -           302    403/405   403/405 403/405 403/405 200/405       302
new-batch              -           302    403       403     403     403     200/400       302
batch                  batch       302    403/405   403/405 403/405 403/405 200/405       302
stop-batch             batch       302    405/403   405/403 405/403 405/403 405/302       302

admin: home and sign-in; marketing lands on its dashboard; 200 also where a form has errors
index                  -           302    302       302     200/405 200/405 200/405       302
login                  -           302    302       302     302     302     302           302
logout                 -           302    405/302   405/302 405/302 405/302 405/302       302
password_change        -           302    302       302     302     302     302           302
password_change_done   -           302    200/405   200/405 200/405 200/405 200/405       302
jsi18n                 -           302    200/405   200/405 200/405 200/405 200/405       302
search                 -           302    404       404     404     404     404           302
(?P<url>.*)$           any         302    404       404     404     404     404           302

admin: set-up; 403 to all others, whether or not the thing exists
app_list               app         302    200/405   200/405 200/405 200/405 200/405       302
environments_cluster_changelist -  302    403       403     403     403     200           302
environments_cluster_add -         302    403       403     403     403     200           302
environments_cluster_change cluster 302   403       403     403     403     200           302
environments_environment_changelist - 302 403       403     403     403     200           302
environments_environment_add -     302    403       403     403     403     200           302
environments_environment_change environment 302 403 403     403     403     200           302
"""
# Where Django and Unfold have more, and why it needs no row: the address is not there at all.
LEFT_OUT: Final = {
    "autocomplete": "no field of ours completes itself by the server",
    "view_on_site": "nothing of ours has another address than its page",
    "history": "Django's own log is empty here; and it told everybody whether a thing exists",
    "delete": "nothing is deleted",
    "toggle_sidebar": "this Unfold has it not",
}
# Open to whoever comes: the door, and what stands beside it.
OPEN: Final = frozenset(
    {
        "account_login",
        "account_inactive",
        "account_signup",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key",
        "account_reset_password_from_key_done",
        "socialaccount_signup",
        "openid_connect_login",
        "openid_connect_callback",
        # For machines: they say how the console is, and nothing of what it holds.
        "live",
        "ready",
        "metrics",
    }
)
# A GET of these keeps a secret or a challenge in the session of who asks, and nothing else.
KEEP_A_CHALLENGE: Final = frozenset({"mfa_activate_totp", "mfa_add_webauthn"})
_TWO = f"before={HERE}-staging:1&after={HERE}-staging:2"
QUERIES: Final = {
    # At once, with what has to be counted.
    "environments:dashboard": "?whole",
    "environments:around": "?at=2026-11-01T00:00:00Z",
    "environments:connect-environments": f"?set=08x.{HERE}",
    "promotion:document": "?id=f1",
    "promotion:history": "?id=f1",
    "promotion:compare": f"?{_TWO}",
    "promotion:compare-document": f"?{_TWO}&resource=flow&id=f1",
    "promotion:compare-way": f"?{_TWO}",
}
# What is judged only once the form is complete.
FORMS: Final[dict[str, dict[str, Any]]] = {
    "promotion:review": {"content": CONTENT, "verdict": "approved"},
}


@dataclass(frozen=True)
class Row:
    """One route. `get` and `post` are the statuses, by person."""

    name: str
    thing: str
    get: dict[str, int]
    post: dict[str, int]

    @property
    def is_read(self) -> bool:
        """Whether anybody gets anything by a GET."""
        return any(status in {200, 503} for status in self.get.values())

    @property
    def query(self) -> str:
        return QUERIES.get(self.name, "")


def read_table(table: str) -> dict[str, Row]:
    """Return the rows of a table by the names of their routes.

    Raises:
        ValueError: a row is there twice, or has not a cell for each person.
    """
    rows: dict[str, Row] = {}
    space = ""
    for line in table.splitlines()[2:]:
        if ": " in line:
            space = line.partition(": ")[0]
        elif line:
            route, thing, *cells = line.split()
            name = f"{space}:{route}" if space else route
            if len(cells) != len(PERSONS) or name in rows:
                raise ValueError(f"Each route has one row with a cell for each person: {line}")
            pairs = [[int(status) for status in cell.split("/")] for cell in cells]
            rows[name] = Row(
                name,
                thing,
                {person: pair[0] for person, pair in zip(PERSONS, pairs, strict=True)},
                {person: pair[-1] for person, pair in zip(PERSONS, pairs, strict=True)},
            )
    return rows


ROWS: Final = read_table(TABLE)
