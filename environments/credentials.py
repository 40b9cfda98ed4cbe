"""What can be said of credentials before they are sent anywhere."""

import base64
import binascii
import re
import ssl

from cryptography import x509

from environments.faults import PEM, Fault, TrialError
from environments.models import Cluster


def check_ca(text: str) -> None:
    """Check that what was given as an authority's certificate is one, or nothing at all.

    Raises:
        TrialError: it is none, or holds a private key.
    """
    if not text.strip():
        return
    field = "ca_certificate"
    if "PRIVATE KEY-----" in text:
        raise TrialError(
            Fault.BAD_CA,
            "The CA certificate holds a private key, which the console must not have.",
            "Give the part from BEGIN CERTIFICATE to END CERTIFICATE alone.",
            field,
        )
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        ssl.create_default_context(cadata=text)
    except (ValueError, OSError) as error:
        # The certificates of old authorities break rules that the one library knows, or the other.
        raise TrialError(
            Fault.BAD_CA,
            "The CA certificate cannot be read.",
            f"{PEM} It begins with -----BEGIN CERTIFICATE-----.",
            field,
        ) from error
    if not found:
        raise TrialError(Fault.BAD_CA, "The CA certificate holds none.", PEM, field)


def check_credentials(authentication: str, username: str, secret: str) -> None:
    """Check that credentials have the form that they are sent in.

    Raises:
        TrialError: a part is missing, or a key has not the form of one.
    """
    if authentication == Cluster.Authentication.BASIC:
        if not username or ":" in username:
            raise TrialError(
                Fault.BAD_NAME,
                "A user name is needed, and it holds no colon.",
                "Give the name of a user of the engine.",
                "username",
            )
        if not secret:
            raise TrialError(
                Fault.BAD_KEY, "The password is missing.", "Type it.", field="new_secret"
            )
    elif authentication == Cluster.Authentication.API_KEY and not _is_api_key(secret):
        raise TrialError(
            Fault.BAD_KEY,
            "This is no API key.",
            "Give it as id:key, or in the one word, called encoded, that the engine gave.",
            "new_secret",
        )


def _is_api_key(text: str) -> bool:
    if re.search(r"[^\x21-\x7e]", text):
        return False
    if ":" not in text:
        try:
            text = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeError):
            return False
    name, colon, key = text.partition(":")
    return bool(name and colon and key)
