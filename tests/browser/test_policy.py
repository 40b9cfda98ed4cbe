"""Unfold's pages work in Chromium under the content security policy, and break none of it."""

from typing import Any

import pytest
from django.conf import settings
from django.urls import include, path
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from environments.models import Cluster, Environment
from tests.browser.conftest import NARROW, WIDE, settle, sign_in
from tracardi_console.audit import audit

pytestmark = pytest.mark.browser


class Open:
    """Everything is permitted: these tests are about what the browser does."""

    def _yes(self, *_arguments: Any, **_named: Any) -> bool:
        return True

    has_view_permission = has_add_permission = _yes
    has_change_permission = has_delete_permission = has_module_permission = _yes


class EnvironmentInline(Open, TabularInline):  # type: ignore[misc]
    model = Environment
    extra = 0
    tab = True
    fields = ("name", "slug", "version", "tenant", "kind")


class ClusterAdmin(Open, ModelAdmin):  # type: ignore[misc]
    search_fields = ("name",)
    inlines = (EnvironmentInline,)
    fields = ("name", "authentication", "username")
    warn_unsaved_form = True
    conditional_fields = {"username": "authentication == 'basic'"}  # noqa: RUF012


class EnvironmentAdmin(Open, ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "cluster", "kind")
    list_filter = ("kind", ("created_at", RangeDateFilter))
    list_filter_submit = True
    search_fields = ("name",)
    autocomplete_fields = ("cluster",)
    fields = ("name", "slug", "cluster", "version", "tenant", "kind")
    conditional_fields = {"tenant": "cluster != null && cluster != ''"}  # noqa: RUF012


class UserAdmin(Open, ModelAdmin):  # type: ignore[misc]
    fields = ("username", "role")


# A site of its own, with what Unfold offers and the console may come to use.
playground = UnfoldAdminSite(name="admin")
playground.register(Cluster, ClusterAdmin)
playground.register(Environment, EnvironmentAdmin)
playground.register(User, UserAdmin)
# The side bar leads to the console's own pages.
urlpatterns = [
    path(settings.ACCOUNT_PREFIX, include("accounts.sign_in_urls")),
    path("", include("accounts.urls")),
    path("audit/", audit, name="audit"),
    path("own/", include("environments.urls")),
    path("own/", include("promotion.urls")),
    path("", playground.urls),
]


@pytest.fixture
def on_playground(live_server: LiveServer, settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    cluster = Cluster.objects.create(name="One", url="http://127.0.0.1:9")
    for name in ("Shop", "Blog"):
        Environment.objects.create(
            name=name,
            slug=name.lower(),
            cluster=cluster,
            version="0.8.1",
            tenant=name.lower(),
            kind="production",
        )


def theme(page: Page, name: str) -> Locator:
    return page.locator(f"html.{name}")


def no_sideways_scrolling(page: Page) -> None:
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")


def test_the_policy_allows_nothing_unsafe(page: Page, live_server: LiveServer) -> None:
    answer = page.goto(f"{live_server}/login/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "nonce" not in policy
    assert "script-src 'self';" in policy + ";"
    assert "style-src 'self';" in policy + ";"


def test_a_violation_is_noticed(page: Page, live_server: LiveServer, problems: list[str]) -> None:
    page.goto(f"{live_server}/login/")
    settle(page)
    assert problems == []
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.evaluate("document.body.setAttribute('onclick', 'alert(1)')")
    page.evaluate("document.querySelector('form').setAttribute('x-init', 'unknown')")
    page.evaluate("fetch('/static/console/missing.css')")
    settle(page)
    page.wait_for_timeout(200)
    seen = "\n".join(problems)
    problems.clear()
    for expected in ("style-src-attr", "script-src-attr", "Alpine Expression Error", "404 http"):
        assert expected in seen


@pytest.mark.parametrize("width", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_sign_in_page_switches_its_theme(
    page: Page, live_server: LiveServer, width: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": width[0], "height": width[1]})
    page.goto(f"{live_server}/login/")
    settle(page)
    icon = page.get_by_text("computer", exact=True).first
    icon.click()
    page.get_by_text("Dark", exact=True).click()
    expect(theme(page, "dark")).to_have_count(1)
    page.get_by_text("Light", exact=True).click()
    expect(theme(page, "light")).to_have_count(1)
    no_sideways_scrolling(page)


@pytest.mark.parametrize("width", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_home_page_works_after_signing_in(
    page: Page, live_server: LiveServer, administrator: User, width: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": width[0], "height": width[1]})
    sign_in(page, live_server, administrator)
    settle(page)
    expect(page.locator("#main")).to_be_visible()
    no_sideways_scrolling(page)

    sidebar = page.locator("#nav-sidebar-inner")
    if width == NARROW:
        expect(sidebar).to_be_hidden()
        page.get_by_text("dock_to_right", exact=True).locator("visible=true").click()
    expect(sidebar).to_be_visible()

    menu = sidebar.get_by_text("Dark", exact=True)
    expect(menu).to_be_hidden()
    sidebar.get_by_text(administrator.label, exact=True).click()
    menu.click()
    expect(theme(page, "dark")).to_have_count(1)
    page.reload()
    settle(page)
    expect(theme(page, "dark")).to_have_count(1)


def test_the_sidebar_stays_as_it_was_left(
    page: Page, live_server: LiveServer, administrator: User
) -> None:
    sign_in(page, live_server, administrator)
    sidebar = page.locator("#nav-sidebar-inner")
    toggle = page.get_by_text("dock_to_right", exact=True).locator("visible=true")
    expect(sidebar).to_be_visible()
    toggle.click()
    expect(sidebar).to_be_hidden()
    page.reload()
    settle(page)
    expect(sidebar).to_be_hidden()
    toggle.click()
    expect(sidebar).to_be_visible()


def test_a_wrong_password_is_answered_in_words(
    page: Page, live_server: LiveServer, administrator: User
) -> None:
    sign_in_form = f"{live_server}/login/"
    page.goto(sign_in_form)
    page.get_by_label("Username").fill(administrator.username)
    page.get_by_label("Password").fill("not the one 81")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("not correct")).to_be_visible()


def test_the_theme_needs_no_inline_style(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server}/login/")
    settle(page)
    assert page.locator("style").count() == 0
    button = page.get_by_role("button", name="Sign in")
    colour = button.evaluate("(element) => getComputedStyle(element).backgroundColor")
    assert colour not in ("", "rgba(0, 0, 0, 0)")


@pytest.mark.usefixtures("on_playground")
def test_a_list_searches_filters_and_selects(
    page: Page, live_server: LiveServer, administrator: User
) -> None:
    sign_in(page, live_server, administrator)
    page.goto(f"{live_server}/environments/environment/")
    settle(page)
    run = page.get_by_role("button", name="Run")
    expect(run).to_be_hidden()
    page.get_by_role("checkbox").nth(1).check()
    page.locator("select[name=action]").select_option("delete_selected")
    expect(run).to_be_visible()
    page.locator("a", has_text="Filters").click()
    expect(page.locator("#changelist-filter")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#changelist-filter")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("Blog")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Shop")).to_have_count(0)
    expect(page.get_by_role("link", name="Blog")).to_be_visible()


@pytest.mark.usefixtures("on_playground")
def test_a_form_shows_fields_tabs_and_rows_on_demand(
    page: Page, live_server: LiveServer, administrator: User
) -> None:
    sign_in(page, live_server, administrator)
    page.goto(f"{live_server}/environments/cluster/{Cluster.objects.get().pk}/change/")
    settle(page)
    user_name = page.locator("#id_username")
    expect(user_name).to_be_hidden()
    page.locator("#id_authentication").select_option("basic")
    expect(user_name).to_be_visible()
    page.locator("#tabs-items").get_by_text("Environments").click()
    expect(user_name).to_be_hidden()
    rows = page.locator("input[name^=environments-][name$=-name]").locator("visible=true")
    expect(rows).to_have_count(2)
    page.locator(".add-row").locator("visible=true").click()
    expect(rows).to_have_count(3)
    # The form remembers its tab in the address.
    expect(page.locator("form[action$='#environments']")).to_have_count(1)


@pytest.mark.usefixtures("on_playground")
def test_a_field_follows_a_searched_choice(
    page: Page, live_server: LiveServer, administrator: User
) -> None:
    sign_in(page, live_server, administrator)
    page.goto(f"{live_server}/environments/environment/add/")
    settle(page)
    tenant = page.locator("#id_tenant")
    expect(tenant).to_be_hidden()
    page.locator(".select2-selection").click()
    page.locator(".select2-results__option", has_text="One").click()
    expect(tenant).to_be_visible()
    page.get_by_text("more_vert", exact=True).first.click()
    expect(page.get_by_text("Add another cluster")).to_be_visible()


@pytest.mark.usefixtures("on_playground")
def test_the_side_bar_search_finds_pages(
    page: Page, live_server: LiveServer, administrator: User, settings: Settings
) -> None:
    settings.UNFOLD = {**settings.UNFOLD, "SIDEBAR": {"show_search": True}}
    sign_in(page, live_server, administrator)
    settle(page)
    page.keyboard.press("t")
    field = page.locator("#nav-filter")
    expect(field).to_be_focused()
    field.press_sequentially("cluster")
    expect(page.locator("#search-results a")).to_have_count(1)
    field.press("Escape")
    expect(field).to_have_value("")
    expect(page.locator("#search-results")).to_be_hidden()
    field.press("Escape")
    expect(field).not_to_be_focused()


@pytest.mark.usefixtures("on_playground")
def test_the_command_search_opens_pages(
    page: Page, live_server: LiveServer, administrator: User, settings: Settings
) -> None:
    settings.UNFOLD = {
        **settings.UNFOLD,
        "SIDEBAR": {"show_search": True, "command_search": True},
        "COMMAND": {"search_models": True, "show_history": True},
    }
    sign_in(page, live_server, administrator)
    settle(page)
    page.keyboard.press("Control+k")
    field = page.locator("#search-input-command")
    expect(field).to_be_focused()
    field.press_sequentially("Blog")
    expect(page.locator("#command-results-list li")).to_have_count(1)
    field.press("ArrowDown")
    field.press("Enter")
    page.wait_for_url("**/environments/environment/*/change/")
    page.keyboard.press("Control+k")
    expect(page.locator("#command-history li")).to_have_count(1)
