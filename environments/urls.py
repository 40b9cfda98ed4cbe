"""Addresses of the environments' own pages."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from environments import (
    account_views,
    configuration_views,
    connect_views,
    licence_views,
    views,
)
from environments.dashboards import views as dashboard_views
from environments.funnels import views as funnel_views
from environments.health import views as health_views
from environments.network import views as network_views
from environments.recipes import views as recipe_views
from environments.saved import views as saved_views


class DocumentIdConverter(StringConverter):
    """An id of a document: it may hold anything, slashes and line breaks too."""

    regex = r"[\s\S]+"


register_converter(DocumentIdConverter, "document_id")
app_name = "environments"

urlpatterns = [
    path("connect/", connect_views.connect, name="connect"),
    path("connect/<int:pk>/", connect_views.cluster, name="connect-cluster"),
    path("connect/<int:pk>/environments/", connect_views.environments, name="connect-environments"),
    path("connect/<int:pk>/test/", connect_views.try_cluster, name="test-cluster"),
    path("connect/<int:pk>/remove/", connect_views.remove_a_cluster, name="remove-cluster"),
    path(
        "environment/<slug:slug>/remove/",
        connect_views.remove_an_environment,
        name="remove-environment",
    ),
    path("environments/<slug:slug>/dashboard/", dashboard_views.dashboard, name="dashboard"),
    path("environments/<slug:slug>/dashboard/around/", dashboard_views.compare, name="around"),
    path(
        "environments/<slug:slug>/dashboard/<slug:tile>/csv/",
        dashboard_views.export,
        name="dashboard-export",
    ),
    path("environments/<slug:slug>/dashboard/views/", saved_views.views, name="views"),
    path("environments/<slug:slug>/dashboard/views/save/", saved_views.save, name="save-view"),
    path("environments/<slug:slug>/dashboard/views/unpin/", saved_views.unpin, name="unpin-view"),
    path(
        "environments/<slug:slug>/dashboard/views/<int:pk>/change/",
        saved_views.change,
        name="change-view",
    ),
    path(
        "environments/<slug:slug>/dashboard/views/<int:pk>/pin/", saved_views.pin, name="pin-view"
    ),
    path(
        "environments/<slug:slug>/dashboard/views/<int:pk>/remove/",
        saved_views.remove,
        name="remove-view",
    ),
    path(
        "environments/<slug:slug>/dashboard/views/summary/",
        saved_views.ask_for_summary,
        name="ask-for-summary",
    ),
    path(
        "environments/<slug:slug>/dashboard/views/summary/<int:pk>/end/",
        saved_views.end_summary,
        name="end-summary",
    ),
    path(
        "environment/<slug:slug>/configuration/",
        configuration_views.configuration,
        name="configuration",
    ),
    path(
        "environment/<slug:slug>/configuration/<slug:resource>/", views.documents, name="documents"
    ),
    path("environment/<slug:slug>/accounts/", account_views.accounts, name="accounts"),
    path("licence/", licence_views.overview, name="licence"),
    path("licence/add/", licence_views.add, name="licence-add"),
    path("licence/<int:pk>/change/", licence_views.change, name="licence-change"),
    path("licence/<int:pk>/renew/", licence_views.renew, name="licence-renew"),
    path("licence/<int:pk>/key/", licence_views.key, name="licence-key"),
    path("licence/<int:pk>/remove/", licence_views.remove, name="licence-remove"),
    path("licence/<int:pk>/cover/<slug:slug>/", licence_views.cover, name="licence-cover"),
    path("environment/<slug:slug>/health/", health_views.health, name="health"),
    path("environment/<slug:slug>/health/look/", health_views.look, name="look"),
    path("environment/<slug:slug>/funnels/", funnel_views.funnels, name="funnels"),
    path("environment/<slug:slug>/funnels/new/", funnel_views.new_funnel, name="funnel-new"),
    path(
        "environment/<slug:slug>/funnels/<int:pk>/change/",
        funnel_views.change,
        name="funnel-change",
    ),
    path(
        "environment/<slug:slug>/funnels/<int:pk>/remove/",
        funnel_views.remove,
        name="funnel-remove",
    ),
    path("environment/<slug:slug>/network/", network_views.network, name="network"),
    path("environment/<slug:slug>/network/run/", network_views.run_network, name="run-network"),
    path(
        "environment/<slug:slug>/network/probe/<slug:which>/",
        network_views.set_probe,
        name="set-probe",
    ),
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
        configuration_views.document,
        name="document",
    ),
]
