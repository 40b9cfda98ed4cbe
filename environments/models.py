"""Clusters, and the Tracardi installations in them."""

from datetime import timedelta
from typing import Any, ClassVar, Final, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from accounts.crypto import EncryptedTextField
from accounts.models import User
from accounts.policy import environments_with
from accounts.roles import VERB_WORDS, Verb
from environments.addresses import BadAddressError, place_of
from environments.catalogue import SUPPORTED_VERSIONS, Catalogue, catalogue_for
from environments.funnels.models import Funnel as Funnel
from environments.funnels.models import FunnelDay as FunnelDay
from environments.funnels.models import FunnelTurn as FunnelTurn
from environments.licence_models import Licence as Licence
from environments.licence_models import LicenceUse as LicenceUse
from environments.naming import InvalidTenantError, Naming, Side
from environments.network.models import NetworkRun as NetworkRun
from environments.network.models import ProbeConsent as ProbeConsent
from environments.recipes.models import RecipeVersion as RecipeVersion
from environments.segments.models import SegmentLook as SegmentLook
from environments.segments.models import SegmentSize as SegmentSize
from environments.targets import check_url

# A look that is older says that nobody looks any more, such as where no worker runs.
OLD_LOOK: Final = timedelta(minutes=10)


class Cluster(models.Model):
    """A connection to one Elasticsearch or OpenSearch."""

    class Authentication(models.TextChoices):
        NONE = "none", "None"
        BASIC = "basic", "User name and password"
        API_KEY = "api-key", "API key"

    name = models.CharField(max_length=100, unique=True)
    url = models.URLField(max_length=300, help_text="For example https://search.example.com:9200")
    authentication = models.CharField(
        max_length=10, choices=Authentication.choices, default=Authentication.NONE
    )
    username = models.CharField(max_length=100, blank=True)
    # The password or the API key (id:key); encrypted, and shown to nobody.
    secret = EncryptedTextField(blank=True)
    ca_certificate = models.TextField(
        blank=True, help_text="The authority that signed the cluster's certificate, as PEM."
    )
    # Pinned at the first connection: another cluster behind the same address is refused.
    uuid = models.CharField(max_length=40, blank=True, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class EnvironmentQuerySet(models.QuerySet["Environment"]):
    def visible_to(self, user: User, verb: Verb = Verb.VIEW_DASHBOARD) -> Self:
        """Keep the environments where `user` may do `verb`."""
        ids = environments_with(user, verb)
        return self.all() if ids is None else self.filter(pk__in=ids)

    def staging(self) -> Self:
        return self.filter(kind=Side.STAGING.value)

    def production(self) -> Self:
        return self.filter(kind=Side.PRODUCTION.value)


class Environment(models.Model):
    """One Tracardi installation's set of indices: cluster, version, tenant and kind."""

    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="environments")
    version = models.CharField(
        max_length=10, choices=[(version, version) for version in SUPPORTED_VERSIONS]
    )
    tenant = models.CharField(max_length=60)
    kind = models.CharField(max_length=10, choices=[(s.value, s.value.capitalize()) for s in Side])
    # A staging environment and the production that it feeds are a pipeline.
    promotes_to = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="fed_by"
    )
    # Where Tracardi itself answers, which workflow tests of staging are sent to.
    api_url = models.URLField(
        "address of Tracardi's API",
        max_length=300,
        blank=True,
        help_text="Of a staging, workflow tests are sent to its /track. Of a production, a smoke "
        "check asks whether it answers, and nothing is ever sent there.",
    )
    public_url = models.URLField(
        "public address",
        max_length=300,
        blank=True,
        help_text="Of a production: where shops and their visitors reach its collector, such as "
        "https://collect.example.com. A staging has none.",
    )
    smoke_after_promotion = models.BooleanField(
        "smoke check after each promotion",
        default=False,
        help_text="Of a production: look at its names, its content and its health, reading alone.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar = EnvironmentQuerySet.as_manager()

    class Meta:
        ordering = ("kind", "name")
        constraints = (
            models.UniqueConstraint(
                fields=["cluster", "version", "tenant", "kind"], name="environments_one_of_each"
            ),
            models.CheckConstraint(
                condition=~models.Q(promotes_to=models.F("id")),
                name="environments_never_promotes_to_itself",
            ),
        )
        permissions = tuple((verb.value, f"Can {VERB_WORDS[verb]}") for verb in Verb)
        default_permissions = ()

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        # Who allowed an address to be probed meant the one that it was.
        ProbeConsent.drop_changed(self)

    @property
    def environment(self) -> Self:
        """Itself: what belongs to an environment has this attribute (see accounts.policy)."""
        return self

    @property
    def catalogue(self) -> Catalogue:
        return catalogue_for(self.version)

    @property
    def naming(self) -> Naming:
        return Naming(self.catalogue, self.tenant, Side(self.kind))

    @property
    def is_production(self) -> bool:
        return self.kind == Side.PRODUCTION.value

    def production_problem(self) -> str:
        """Return why this one's address is or may be that of a production, or an empty string.

        Nobody can say that it is not while a name cannot be looked up.
        """
        try:
            here = place_of(self.api_url)
        except BadAddressError as error:
            return str(error)
        if not here.is_known:
            return f"The address of {self}'s API cannot be looked up."
        for other in Environment.objects.production().exclude(pk=self.pk).exclude(api_url=""):
            try:
                there = place_of(other.api_url)
            except BadAddressError as error:
                return f"{other}: {error}"
            if here.is_same(there):
                return (
                    f"The address of {self}'s API is that of {other}, where no visit is ever sent."
                )
            if not there.is_known:
                return (
                    f"The address of {other}'s API cannot be looked up, so nobody can say that "
                    f"{self}'s is another. Correct it, or remove it."
                )
        return ""

    def clean(self) -> None:
        known = self.version in SUPPORTED_VERSIONS and self.kind in list(Side)
        if not known or not self.tenant:
            # The field says so itself, and nothing else can be judged.
            return
        try:
            Naming(self.catalogue, self.tenant, Side(self.kind))
        except InvalidTenantError as error:
            raise ValidationError({"tenant": str(error)}) from error
        if self.api_url:
            try:
                check_url(self.api_url)
            except BadAddressError as error:
                raise ValidationError({"api_url": error.in_a_form}) from error
            if not self.is_production and (problem := self.production_problem()):
                raise ValidationError({"api_url": problem})
        if self.public_url:
            if not self.is_production:
                raise ValidationError(
                    {"public_url": "Only a production has one: a staging is for the staff alone."}
                )
            try:
                check_url(self.public_url)
            except BadAddressError as error:
                raise ValidationError({"public_url": error.in_a_form}) from error
        if self.promotes_to is not None:
            if self.is_production:
                raise ValidationError({"promotes_to": "Only a staging environment promotes."})
            if not self.promotes_to.is_production:
                raise ValidationError({"promotes_to": "Promote to a production environment."})


class AccountsLook(models.Model):
    """What the worker found among the accounts of a production's Tracardi, and when."""

    environment = models.OneToOneField(
        Environment, on_delete=models.CASCADE, related_name="accounts_look"
    )
    # When a worker took the look on; of two, one does.
    begun_at = models.DateTimeField(default=timezone.now)
    # When it was done; none where the cluster never answered.
    looked_at = models.DateTimeField(null=True, blank=True)
    # How many things ought not to be so. Which ones, the page of the accounts reads anew: a copy
    # would keep people's addresses.
    things = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.environment}: {self.things} of {self.looked_at}"

    @property
    def is_old(self) -> bool:
        return self.looked_at is None or timezone.now() - self.looked_at > OLD_LOOK


# Their modules refer to the models above by name alone.
from environments.health.models import HealthLook as HealthLook  # noqa: E402
from environments.health.models import HealthState as HealthState  # noqa: E402
from environments.saved.models import Pin as Pin  # noqa: E402
from environments.saved.models import SavedView as SavedView  # noqa: E402
from environments.saved.models import Share as Share  # noqa: E402
from environments.saved.models import Summary as Summary  # noqa: E402
