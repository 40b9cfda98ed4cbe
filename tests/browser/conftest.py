"""A browser page that fails its test on anything that the content security policy refuses.

Ask for `page` and `live_server`, sign in with `sign_in`, or with `enter_browser` where the
form does not matter, and mark the module with `pytest.mark.browser`. What the page did wrong is
collected in `problems`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    sync_playwright,
)
from pytest_django.live_server_helper import LiveServer

from accounts.audit import system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user
from tests.factories import enter
from tests.promotion.conftest import adopted, engine, people, production, put, ship, staging

# A staging and a production set on the real engine, for pages that show what is in them.
__all__ = ["adopted", "engine", "people", "production", "put", "ship", "staging"]

CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "a long enough one 81"
NARROW, WIDE = (390, 844), (1440, 900)

# A refusal that Chromium puts into the console is the same one as the event: only this is counted.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  const place = `${event.sourceFile || event.documentURI}:${event.lineNumber}`;
  console.error(`policy: ${event.effectiveDirective} ${event.blockedURI} ${event.sample} ${place}`);
});
"""

# The tests' server speaks plain HTTP and serves the files where they lie.
SERVER_SETTINGS = {
    # A browser has security keys for localhost, too.
    "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": True,
    "SECURE_SSL_REDIRECT": False,
    "SESSION_COOKIE_SECURE": False,
    "CSRF_COOKIE_SECURE": False,
    "STORAGES": {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    },
}


@pytest.fixture(scope="package")
def live_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """The console over HTTP, for this package's tests alone."""
    # An empty folder: whitenoise warns where there is none.
    with override_settings(STATIC_ROOT=tmp_path_factory.mktemp("static"), **SERVER_SETTINGS):
        server = LiveServer("localhost")
        yield server
        server.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing: run devtools/system-packages.", pytrace=False)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread, and Django then takes each query for a mistake.
        patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def problems() -> list[str]:
    """What went wrong in the browser so far; the test fails when it is not empty at the end."""
    return []


@pytest.fixture
def context(browser: Browser, problems: list[str]) -> Iterator[BrowserContext]:
    """A fresh browser profile, 1440 pixels wide."""
    context = browser.new_context(
        viewport={"width": WIDE[0], "height": WIDE[1]}, reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    context.add_init_script(REPORT_VIOLATIONS)

    def console(message: ConsoleMessage) -> None:
        if message.text.startswith("policy: ") or "Alpine Expression Error" in message.text:
            problems.append(message.text)

    def response(answer: Response) -> None:
        if answer.status >= 500 or (answer.status >= 400 and "/static/" in answer.url):
            problems.append(f"{answer.status} {answer.url}")

    def failed(request: Request) -> None:
        if "/static/" in request.url and request.failure != "net::ERR_ABORTED":
            problems.append(f"{request.failure} {request.url}")

    context.on("console", console)
    context.on("weberror", lambda error: problems.append(f"page error: {error.error}"))
    context.on("response", response)
    context.on("requestfailed", failed)
    yield context
    context.close()
    assert not problems, "\n".join(problems)


@pytest.fixture
def page(context: BrowserContext, live_server: LiveServer) -> Page:
    """A page of that profile, over the running console."""
    return context.new_page()


@pytest.fixture
def administrator(live_server: LiveServer, transactional_db: None) -> User:
    return create_user(
        system_actor(), username="ada", role=Role.ADMINISTRATOR, password=PASSWORD, first_name="Ada"
    )


def sign_in(page: Page, live_server: LiveServer, user: User) -> None:
    """Open the console as a person; tests/browser/test_sign_in.py goes through the form."""
    enter_browser(page.context, live_server, user)
    page.goto(f"{live_server}/")


def enter_browser(context: BrowserContext, live_server: LiveServer, user: User | None) -> None:
    """Sign a person in, who is there, without the form: by the cookie of a session."""
    name = settings.SESSION_COOKIE_NAME
    value = enter(user).cookies[name].value
    context.clear_cookies()
    context.add_cookies([{"name": name, "value": value, "url": str(live_server)}])


def settle(page: Page) -> None:
    """Wait until nothing is loading and the scripts' own work is done."""
    page.wait_for_load_state("networkidle")


def comes_to(element: Locator, value: str, wanted: object) -> object:
    """Return what a JavaScript expression over `it`, an element, says: as wanted, or after 3 s.

    It is evaluated once, as a whole: Playwright's own waiting evaluates anew at each look, which
    the page's policy refuses.
    """
    return element.evaluate(
        f"""(it, wanted) => new Promise(done => {{
          const until = performance.now() + 3000;
          const same = (found) => JSON.stringify(found) === JSON.stringify(wanted);
          const look = () => {{
            const found = {value};
            if (same(found) || performance.now() > until) done(found);
            else requestAnimationFrame(look);
          }};
          look();
        }})""",
        wanted,
    )
