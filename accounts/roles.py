"""The only table of what each role may do.

Every verb is a permission of `Environment`, because guardian ties a permission to its object's own
content type. The administrator's are global; the others' are granted one environment at a time.
"""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    ADMINISTRATOR = "administrator"
    QA = "qa"
    MARKETING = "marketing"


# What a person is given, the one that may more first; the administrator's is handed over.
GIVEN: Final = (Role.QA, Role.MARKETING)


class Verb(StrEnum):
    """What a person may do to, or see of, an environment; the value is a permission's codename."""

    VIEW_DASHBOARD = "view_dashboard"
    VIEW_CONFIGURATION = "view_configuration"
    VIEW_BUILD = "view_build_of"
    VIEW_PROMOTION = "view_promotion_of"
    VIEW_LIVE_PROMOTION = "view_live_promotion_of"
    VIEW_OWN_AUDIT = "view_own_audit"
    VIEW_AUDIT = "view_audit"
    CAPTURE = "capture_build"
    REVIEW = "review_build"
    PROMOTE = "promote_to"
    MANAGE = "manage_environment"


VERB_WORDS: dict[Verb, str] = {
    Verb.VIEW_DASHBOARD: "see the dashboard",
    Verb.VIEW_CONFIGURATION: "browse the configuration",
    Verb.VIEW_BUILD: "see builds",
    Verb.VIEW_PROMOTION: "see every promotion",
    Verb.VIEW_LIVE_PROMOTION: "see promotions that went live",
    Verb.VIEW_OWN_AUDIT: "see the audit trail of one's own actions and builds",
    Verb.VIEW_AUDIT: "see the whole audit trail",
    Verb.CAPTURE: "capture a build",
    Verb.REVIEW: "approve or reject a build",
    Verb.PROMOTE: "promote, roll back, lock, adopt or release",
    Verb.MANAGE: "manage environments, clusters and users",
}

ROLE_VERBS: dict[Role, frozenset[Verb]] = {
    # Not REVIEW: who promotes never approves (four eyes).
    Role.ADMINISTRATOR: frozenset(Verb) - {Verb.REVIEW},
    Role.QA: frozenset(
        {
            Verb.VIEW_DASHBOARD,
            Verb.VIEW_CONFIGURATION,
            Verb.VIEW_BUILD,
            Verb.VIEW_PROMOTION,
            Verb.VIEW_LIVE_PROMOTION,
            Verb.VIEW_OWN_AUDIT,
            Verb.CAPTURE,
            Verb.REVIEW,
        }
    ),
    Role.MARKETING: frozenset(
        {Verb.VIEW_DASHBOARD, Verb.VIEW_CONFIGURATION, Verb.VIEW_LIVE_PROMOTION}
    ),
}


def roles_with(verb: Verb) -> tuple[Role, ...]:
    """Return the roles that have `verb`, in the table's order."""
    return tuple(role for role, verbs in ROLE_VERBS.items() if verb in verbs)
