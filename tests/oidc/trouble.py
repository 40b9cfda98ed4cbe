"""What a provider of the tests does wrong, when it is told to."""

from enum import StrEnum, auto


class Trouble(StrEnum):
    """What the provider does wrong."""

    NOTHING = auto()
    # In the id token.
    WRONG_ISSUER = auto()
    WRONG_AUDIENCE = auto()
    OTHER_PARTY = auto()
    EXPIRED = auto()
    NO_END = auto()
    BAD_SIGNATURE = auto()
    NO_SIGNATURE = auto()
    SHARED_SECRET = auto()
    UNKNOWN_KEY = auto()
    NO_KEYS = auto()
    WRONG_NONCE = auto()
    NO_NONCE = auto()
    NO_SUBJECT = auto()
    UNPRINTABLE_SUBJECT = auto()
    NO_ID_TOKEN = auto()
    NOT_A_TOKEN = auto()
    # In what else it answers.
    OTHER_PERSON = auto()
    NO_PERSON = auto()
    NOT_JSON = auto()
    LIST = auto()
    TOO_LONG = auto()
    MOVED = auto()
    BROKEN = auto()
    BROKEN_USERINFO = auto()
    SILENT = auto()
    TRICKLES = auto()
    SPEAKS_FOR_ANOTHER = auto()
    LISTENED_TO = auto()
    NO_ENDPOINT = auto()
    DENIES = auto()
    CANNOT = auto()
    FOREIGN_STATE = auto()
