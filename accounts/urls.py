"""Addresses of people's pages; those of signing in are in `accounts.sign_in_urls`."""

from django.urls import path

from accounts import handover_views, people_views, preferences_views

app_name = "accounts"
urlpatterns = [
    path("settings/", preferences_views.preferences, name="preferences"),
    path("settings/tour/", preferences_views.tour, name="tour"),
    path("people/", people_views.people_list, name="people"),
    path("people/invite/", people_views.invite, name="invite"),
    path("people/handover/", handover_views.hand_over, name="handover"),
    path("people/handover/<int:pk>/accept/", handover_views.accept, name="accept-handover"),
    path("people/handover/<int:pk>/end/", handover_views.end_offer, name="end-handover"),
    path("people/view-as/end/", handover_views.end_view_as, name="end-view-as"),
    path("people/<int:pk>/", people_views.person, name="person"),
    path("people/<int:pk>/rights/", people_views.set_rights, name="set-rights"),
    path("people/<int:pk>/switch/", people_views.switch, name="switch"),
    path("people/<int:pk>/sign-out/", people_views.sign_out, name="sign-out"),
    path("people/<int:pk>/reset-factor/", people_views.reset_factor, name="reset-factor"),
    path("people/<int:pk>/link/", people_views.renew_link, name="renew-link"),
    path("people/<int:pk>/view-as/", handover_views.begin_view_as, name="view-as"),
]
