"""Addresses of the promotion pages."""

from django.urls import path

from promotion import pages, views

app_name = "promotion"
urlpatterns = [
    path("environments/", pages.environments, name="environments"),
    path("environment/<slug:slug>/", pages.environment, name="environment"),
    path("environment/<slug:slug>/capture/", views.capture_build, name="capture"),
    path("environment/<slug:slug>/adopt/", pages.adopt_environment, name="adopt"),
    path("environment/<slug:slug>/release/", pages.release_environment, name="release"),
    path("environment/<slug:slug>/rollback/", pages.rollback_environment, name="rollback"),
    path("environment/<slug:slug>/lock/", pages.lock_environment, name="lock"),
    path("environment/<slug:slug>/unlock/", pages.unlock_environment, name="unlock"),
    path("builds/", views.builds, name="builds"),
    path("builds/<slug:slug>/<int:number>/", views.build, name="build"),
    path("builds/<slug:slug>/<int:number>/review/", views.review_build, name="review"),
    path("builds/<slug:slug>/<int:number>/promote/", views.promote_build, name="promote"),
    path("promotions/", views.promotions, name="promotions"),
    path("promotions/<int:pk>/", views.promotion, name="promotion"),
    path("promotions/<int:pk>/cancel/", views.cancel_promotion, name="cancel"),
]
