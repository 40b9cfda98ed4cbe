"""Addresses of the promotion pages."""

from django.urls import path

from promotion import (
    batch_views,
    build_views,
    checklist_views,
    comment_views,
    compare_detail_views,
    compare_views,
    compose_views,
    document_views,
    drift_views,
    environment_views,
    history_views,
    reconcile_views,
    rehearsal_views,
    review_views,
    views,
)

app_name = "promotion"
urlpatterns = [
    path("environments/", environment_views.environments, name="environments"),
    path("environment/<slug:slug>/", environment_views.environment, name="environment"),
    path("environment/<slug:slug>/capture/", build_views.capture_build, name="capture"),
    path("environment/<slug:slug>/checklist/", checklist_views.checklist, name="checklist"),
    path("environment/<slug:slug>/adopt/", environment_views.adopt_environment, name="adopt"),
    path("environment/<slug:slug>/release/", environment_views.release_environment, name="release"),
    path(
        "environment/<slug:slug>/rollback/", environment_views.rollback_environment, name="rollback"
    ),
    path(
        "environment/<slug:slug>/reconcile/",
        reconcile_views.reconcile_environment,
        name="reconcile",
    ),
    path(
        "environment/<slug:slug>/rehearse-rollback/",
        rehearsal_views.rehearse_rollback,
        name="rehearse-rollback",
    ),
    path("environment/<slug:slug>/lock/", environment_views.lock_environment, name="lock"),
    path("environment/<slug:slug>/unlock/", environment_views.unlock_environment, name="unlock"),
    path("environment/<slug:slug>/prolong/", environment_views.prolong_environment, name="prolong"),
    path("environment/<slug:slug>/drift/", drift_views.drift, name="drift"),
    path("environment/<slug:slug>/drift/check/", drift_views.check_drift, name="check-drift"),
    path("environment/<slug:slug>/drift/keep/", drift_views.keep_drift, name="keep-drift"),
    path("environment/<slug:slug>/drift/discard/", drift_views.discard_drift, name="discard-drift"),
    path("environment/<slug:slug>/drift/carry/", drift_views.carry_drift, name="carry-drift"),
    path("environment/<slug:slug>/live-at/", history_views.live_at, name="live-at"),
    # An id may hold anything: it is a part of the query.
    path("history/<slug:slug>/<slug:resource>/", history_views.history, name="history"),
    path("builds/", build_views.builds, name="builds"),
    path("compare/", compare_views.compare, name="compare"),
    path("compare/document/", compare_detail_views.compare_document, name="compare-document"),
    path("compare/way/", compare_detail_views.compare_way, name="compare-way"),
    path("reviews/", build_views.reviews, name="reviews"),
    path("builds/<slug:slug>/<int:number>/", review_views.build, name="build"),
    # An id may hold anything, slashes too: it is a part of the query.
    path(
        "builds/<slug:slug>/<int:number>/document/<slug:resource>/",
        document_views.document,
        name="document",
    ),
    path("builds/<slug:slug>/<int:number>/compose/", compose_views.compose, name="compose"),
    path("builds/<slug:slug>/<int:number>/review/", review_views.review_build, name="review"),
    path("builds/<slug:slug>/<int:number>/comment/", comment_views.comment, name="comment"),
    path(
        "builds/<slug:slug>/<int:number>/comment/<int:pk>/resolve/",
        comment_views.resolve,
        name="resolve-comment",
    ),
    path("builds/<slug:slug>/<int:number>/prepare/", build_views.prepare_build, name="prepare"),
    path("builds/<slug:slug>/<int:number>/promote/", views.promote_build, name="promote"),
    path(
        "builds/<slug:slug>/<int:number>/rehearse/",
        rehearsal_views.rehearse_build,
        name="rehearse",
    ),
    path("batches/", batch_views.batches, name="batches"),
    path("batches/new/", batch_views.new_batch, name="new-batch"),
    path("batches/<int:pk>/", batch_views.batch, name="batch"),
    path("batches/<int:pk>/stop/", batch_views.stop, name="stop-batch"),
    path("promotions/", views.promotions, name="promotions"),
    path("promotions/<int:pk>/", views.promotion, name="promotion"),
    path("promotions/<int:pk>/receipt/", views.promotion_receipt, name="receipt"),
    path("promotions/<int:pk>/cancel/", views.cancel_promotion, name="cancel"),
]
