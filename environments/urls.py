"""Addresses of the environments' own pages."""

from django.urls import path

from environments import account_views, views

app_name = "environments"

urlpatterns = [
    path("environments/<slug:slug>/dashboard/", views.dashboard, name="dashboard"),
    path(
        "environment/<slug:slug>/configuration/<slug:resource>/", views.documents, name="documents"
    ),
    path("environment/<slug:slug>/accounts/", account_views.accounts, name="accounts"),
    path("environment/<slug:slug>/way/", views.way, name="way"),
    # An id may hold slashes.
    path(
        "environment/<slug:slug>/configuration/<slug:resource>/<path:doc_id>",
        views.document,
        name="document",
    ),
]
