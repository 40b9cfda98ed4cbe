"""Addresses of the environments' own pages."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from environments import account_views, views
from environments.recipes import views as recipe_views


class DocumentIdConverter(StringConverter):
    """An id of a document: it may hold anything, slashes and line breaks too."""

    regex = r"[\s\S]+"


register_converter(DocumentIdConverter, "document_id")
app_name = "environments"

urlpatterns = [
    path("environments/<slug:slug>/dashboard/", views.dashboard, name="dashboard"),
    path(
        "environment/<slug:slug>/configuration/<slug:resource>/", views.documents, name="documents"
    ),
    path("environment/<slug:slug>/accounts/", account_views.accounts, name="accounts"),
    path("environment/<slug:slug>/way/", views.way, name="way"),
    path("environment/<slug:slug>/recipes/", recipe_views.recipes, name="recipes"),
    path(
        "environment/<slug:slug>/recipes/<int:number>/",
        recipe_views.recipe_version,
        name="recipe-version",
    ),
    path(
        "environment/<slug:slug>/recipes/<int:number>/download/",
        recipe_views.download_recipe,
        name="download-recipe",
    ),
    path(
        "environment/<slug:slug>/configuration/<slug:resource>/<document_id:doc_id>",
        views.document,
        name="document",
    ),
]
