"""Settings of the console, read from the environment (or an `.env` file) with django-environ.

Nothing secret has a default: a missing SECRET_KEY or ENCRYPTION_KEYS stops the start with a clear
line (tracardi_console.starting). docs/settings.md lists every variable.
"""

from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from tracardi_console.logs import configure_structlog, logging_at
from tracardi_console.look import LOOK
from tracardi_console.private import PrivateConnection
from tracardi_console.variables import read

BASE_DIR = Path(__file__).resolve().parent.parent

env = read(BASE_DIR)

# --- Core ---------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.secret("SECRET_KEY")
# Earlier keys: what they signed, sessions and receipts, still counts.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "tracardi_console.urls"
WSGI_APPLICATION = "tracardi_console.wsgi.application"
ASGI_APPLICATION = "tracardi_console.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Fernet keys, the newest first: it encrypts, all of them decrypt.
ENCRYPTION_KEYS = env.encryption_keys("ENCRYPTION_KEYS")
# The demo says so on every page.
DEMO = env.bool("DEMO", default=False)

INSTALLED_APPS = [
    # Before unfold: its static files shadow Unfold's Alpine with the CSP build.
    "tracardi_console.apps.ConsoleConfig",
    # Without its own site: the console has one.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "tracardi_console.apps.ConsoleAdminConfig",
    "csp",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
    "guardian",
    # Before allauth: the console's look of its pages is here.
    "accounts.apps.AccountsConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "environments.apps.EnvironmentsConfig",
    "promotion.apps.PromotionConfig",
]

MIDDLEWARE = [
    # First, so that what the others answer by themselves has headers too.
    "tracardi_console.middleware.HeadersMiddleware",
    # Before all that may record an audit event.
    "tracardi_console.middleware.RequestContextMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "tracardi_console.middleware.LimitsMiddleware",
    # Whatever host was asked for, and without a session: a probe knows an address alone.
    "tracardi_console.middleware.ProbesMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tracardi_console.middleware.MethodsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "accounts.middleware.ViewAsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.frame.frame",
            ],
        },
    },
]

# --- Database -----------------------------------------------------------------------------------

DATABASES = {
    "default": env.database("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'console.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Web and worker share the file: write-ahead log, and a writer that waits its turn from the
    # start of its transaction instead of failing at the first write.
    DATABASES["default"]["OPTIONS"] = {
        # For its owner alone.
        "factory": PrivateConnection,
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;"
        ),
    }

# What counts the attempts to sign in is shared by all processes, and outlasts them.
CACHES = {
    "default": {
        "BACKEND": "accounts.counts.CountsCache",
        "LOCATION": "console_cache",
        # With more than these, those that are over are dropped.
        "OPTIONS": {"MAX_ENTRIES": 1_000},
    },
    # What dashboards counted a moment ago: of each process its own, and gone with it.
    "figures": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "figures",
        "OPTIONS": {"MAX_ENTRIES": 200},
    },
}

# --- Accounts -----------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    # Of accounts that are older than Argon2 here: made anew at their next sign-in.
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"
LOGOUT_REDIRECT_URL = "account_login"
# A link to set a password, of an invitation too, ends then.
PASSWORD_RESET_TIMEOUT = 3 * 24 * 60 * 60
# Nobody may do anything without signing in, so there is no anonymous account to give rights to.
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_USER = False

# --- Sign-in ------------------------------------------------------------------------------------

# The pages of one's own sign-in lie under it.
ACCOUNT_PREFIX = "account/"
# A second factor for the administrator and QA; marketing may set one up.
REQUIRE_SECOND_FACTOR = env.bool("REQUIRE_SECOND_FACTOR", default=True)
# How long a proof of who one is counts for promoting, rolling back, unlocking and handing over.
REAUTHENTICATION_SECONDS = env.int("REAUTHENTICATION_SECONDS", default=300)
# How many proxies stand before the console: so many addresses of X-Forwarded-For are believed.
ALLAUTH_TRUSTED_PROXY_COUNT = env.int(
    "PROXIES", default=1 if env.bool("BEHIND_PROXY", False) else 0
)

ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "accounts.tokens.LinkTokens"  # noqa: S105
ACCOUNT_FORMS = {"reset_password": "accounts.forms.ForgottenPasswordForm"}
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Tracardi Console: "
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = REAUTHENTICATION_SECONDS or 300
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    # The second part is the lockout of one account, for where the attempts come from: somebody else
    # must not keep a person out for ever.
    "login_failed": "10/m/ip,5/300s/key",
    # From everywhere together.
    "login_failed_anywhere": "50/h/key",
    "reset_password": "10/m/ip,3/h/key",
    "reauthenticate": "10/m/user",
    # To the provider and back again are two.
    "single_sign_on": "60/m/ip",
}

MFA_ADAPTER = "accounts.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Tracardi Console"
# A clock that is half a minute off still counts.
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
# A browser has keys only for a host over TLS, or for localhost.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG or DEMO


def roles_of(given: str) -> tuple[str, str]:
    """Return the value of a claim and the role that it gives; a check says what is no role."""
    value, _, role = given.rpartition("=")
    return value.strip(), role.strip()


# Single sign-on by OpenID Connect, where an issuer is set. OIDC_ROLES gives the roles of the
# console to values of a claim, such as `tracardi-qa=qa,tracardi-marketing=marketing`.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="").rstrip("/")
OIDC_NAME = env.str("OIDC_NAME", default="single sign-on")
OIDC_ROLE_CLAIM = env.str("OIDC_ROLE_CLAIM", default="roles")
OIDC_ROLES = dict(roles_of(one) for one in env.list("OIDC_ROLES", default=[]))
OIDC_SCOPES = env.str("OIDC_SCOPES", default="openid profile email").split()
# Whether the provider asks everybody for a second factor: the console then asks for none itself.
SSO_HAS_SECOND_FACTOR = env.bool("SSO_HAS_SECOND_FACTOR", default=False)
SOCIALACCOUNT_ADAPTER = "accounts.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_LOGIN_ON_GET = False
# Of each answer of the provider, of which a sign-in needs four.
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = ""
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "sso",
                "name": OIDC_NAME,
                "client_id": env.str("OIDC_CLIENT_ID"),
                "secret": env.str("OIDC_CLIENT_SECRET"),
                "settings": {"server_url": OIDC_ISSUER, "scope": OIDC_SCOPES},
            }
        ]
        if OIDC_ISSUER
        else [],
    }
}

# --- Mail ---------------------------------------------------------------------------------------

# Such as smtp+tls://user:password@mail.example.com:587; without it the console sends none.
_EMAIL_URL = env.str("EMAIL_URL", default="")
MAIL_CONFIGURED = bool(_EMAIL_URL)
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="dummymail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default="Tracardi Console <console@localhost>")

# --- Audit trail --------------------------------------------------------------------------------

# Where the audit trail's last digest is written down each minute, out of the database's reach: a
# file that only grows, or `syslog`. Empty: nowhere.
AUDIT_ANCHOR = env.str("AUDIT_ANCHOR", default="")

# --- Watching the console -----------------------------------------------------------------------

# What a scraper of /metrics has to show; without it there is no such page.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# Whether the proxy sets X-Request-ID itself, and drops what a visitor sent.
TRUST_REQUEST_ID = env.bool("TRUST_REQUEST_ID", default=False)

# --- Background work ----------------------------------------------------------------------------

TASKS = {
    "default": {
        "BACKEND": "accounts.queue.Queue",
        "QUEUES": ["default"],
    }
}
# How long a worker's claim on a promotion holds without being renewed, and how often it is.
LEASE_SECONDS = env.float("LEASE_SECONDS", default=30.0)
LEASE_RENEW_SECONDS = env.float("LEASE_RENEW_SECONDS", default=10.0)
# How long what may be sent twice is sent again, while the cluster is out of reach or busy.
RETRY_SECONDS = env.float("RETRY_SECONDS", default=10.0)
# A longer page of documents is not read, but asked for again in smaller ones: it is what a worker
# holds in memory at once, a few times over.
LARGEST_ANSWER_BYTES = env.int("LARGEST_ANSWER_BYTES", default=16 * 1024 * 1024)
# How often the worker checks each adopted environment for edits by hand.
DRIFT_SECONDS = env.float("DRIFT_SECONDS", default=60.0)
# How often the worker looks at the health of each environment.
HEALTH_SECONDS = env.float("HEALTH_SECONDS", default=60.0)
# How long one visit of a workflow test may take to be answered, and what it does to be seen; and
# how many requests a second are sent to staging.
WORKFLOW_ANSWER_SECONDS = env.float("WORKFLOW_ANSWER_SECONDS", default=10.0)
WORKFLOW_WAIT_SECONDS = env.float("WORKFLOW_WAIT_SECONDS", default=15.0)
# How long a running Tracardi may serve what was there before: it keeps rules for five seconds. A
# run begins so long after the build was captured that it counts for.
WORKFLOW_CACHE_SECONDS = env.float("WORKFLOW_CACHE_SECONDS", default=6.0)
WORKFLOW_REQUESTS_PER_SECOND = env.float("WORKFLOW_REQUESTS_PER_SECOND", default=10.0)
# Network checks: how often the worker does them, 0 for never; what each probe and each run may
# take; how many connections a second begin to one host; how long after a run none is begun by hand;
# how many runs are kept; the ports where no database may answer beside the public address.
NETWORK_CHECK_SECONDS = env.float("NETWORK_CHECK_SECONDS", default=6 * 60 * 60.0)
NETWORK_PROBE_SECONDS = env.float("NETWORK_PROBE_SECONDS", default=3.0)
NETWORK_RUN_SECONDS = env.float("NETWORK_RUN_SECONDS", default=60.0)
NETWORK_REQUESTS_PER_SECOND = env.float("NETWORK_REQUESTS_PER_SECOND", default=10.0)
NETWORK_PAUSE_SECONDS = env.float("NETWORK_PAUSE_SECONDS", default=60.0)
NETWORK_KEPT_RUNS = env.int("NETWORK_KEPT_RUNS", default=60)
NETWORK_CLOSED_PORTS = env.list("NETWORK_CLOSED_PORTS", cast=int, default=[9200, 9300, 6379])
# How many distinct generations are kept, the live one among them; where Roll back goes, always.
KEPT_GENERATIONS = env.int("KEPT_GENERATIONS", default=3)
# A larger document is refused by capture, with its name.
MAX_DOCUMENT_BYTES = env.int("MAX_DOCUMENT_BYTES", default=10 * 1024 * 1024)
# How long one request to a cluster may take.
ELASTICSEARCH_TIMEOUT_SECONDS = env.float("ELASTICSEARCH_TIMEOUT_SECONDS", default=30.0)

# --- Language and time --------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

# --- Static files -------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG or DEMO
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = DEBUG or DEMO

# --- Web security -------------------------------------------------------------------------------

OIDC_ORIGINS = env.list(
    "OIDC_ORIGINS",
    default=["{0.scheme}://{0.netloc}".format(urlsplit(OIDC_ISSUER))] if OIDC_ISSUER else [],
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        # A browser holds the redirect that answers a form to it, too.
        "form-action": [SELF, *OIDC_ORIGINS],
    }
}
HTTPS = env.bool("HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = HTTPS
# A probe on this machine speaks plain HTTP, and so does a scraper: a redirect would not take back
# the token that it sent.
SECURE_REDIRECT_EXEMPT = [r"^health/(live|ready)$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
)
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 60 * 60
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "tracardi_console.errors.csrf_failure"
# Of what is no file. Files are bounded by their form, and by LimitsMiddleware before that.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 200
# Where the console may connect to, of what people enter; environments/targets.py reads it.
ALLOWED_TARGETS = env.list("ALLOWED_TARGETS", default=[])


# --- Look ---------------------------------------------------------------------------------------

UNFOLD = LOOK

# --- Logs ---------------------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
# `json` or `text`.
LOG_FORMAT = env.str("LOG_FORMAT", default="text" if DEBUG or DEMO else "json")
LOGGING = logging_at(LOG_LEVEL, LOG_FORMAT)
configure_structlog()
