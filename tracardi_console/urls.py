"""Addresses: the console's own pages first, then the admin site, which asks for a sign-in."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from tracardi_console.audit import audit, export_audit
from tracardi_console.probes import live, metrics, ready

handler400 = "tracardi_console.errors.bad_request"
handler403 = "tracardi_console.errors.permission_denied"
handler404 = "tracardi_console.errors.page_not_found"
handler429 = "tracardi_console.errors.too_often"
handler500 = "tracardi_console.errors.server_error"

urlpatterns = [
    # For machines: answered by ProbesMiddleware already, but for what is no GET.
    path("health/live", live, name="live"),
    path("health/ready", ready, name="ready"),
    path("metrics", metrics, name="metrics"),
    path(settings.ACCOUNT_PREFIX, include("accounts.sign_in_urls")),
    path("", include("accounts.urls")),
    path("audit/", audit, name="audit"),
    path("audit/<slug:form>/", export_audit, name="export-audit"),
    path("", include("environments.urls")),
    path("", include("promotion.urls")),
    path("", admin.site.urls),
]
