"""The form of a cluster: its address and credentials, tried before they are saved."""

from typing import Any, ClassVar, Final

from django import forms

from environments.addresses import BadAddressError
from environments.faults import TrialError
from environments.models import Cluster
from environments.targets import check_url
from environments.trial import try_out

# A secret that is stored is sent the way that these say, and no other.
_WAY: Final = ("authentication", "username", "ca_certificate")
_KEPT: Final = "Kept encrypted and shown to nobody."
WORDS: Final = {
    "name": "name",
    "url": "address",
    "authentication": "way to sign in",
    "username": "user name",
    "new_secret": "password or API key",
    "ca_certificate": "CA certificate",
}


class ClusterForm(forms.ModelForm):  # type: ignore[type-arg]
    """A cluster's address and credentials. The secret is never shown again.

    `proof` is what answered, once the form is valid.
    """

    url = forms.URLField(
        label="Address",
        assume_scheme="https",
        max_length=300,
        help_text="For example https://search.example.com:9200",
    )
    new_secret = forms.CharField(
        required=False,
        strip=False,
        label="Password or API key",
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
        help_text=_KEPT,
    )

    class Meta:
        model = Cluster
        fields = ("name", "url", "authentication", "username", "ca_certificate")
        labels: ClassVar = {
            "authentication": "Sign in with",
            "username": "User name",
            "ca_certificate": "CA certificate",
        }
        help_texts: ClassVar = {
            "name": "What it is called here, such as Main.",
            "username": "Only with a user name and password.",
            "ca_certificate": "Only with https, and where the authority that signed the cluster's "
            "certificate is one of your own: as PEM.",
        }

    field_order = ("name", "url", "authentication", "username", "new_secret", "ca_certificate")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["ca_certificate"].widget.attrs["rows"] = 5
        if self.instance.pk and self.instance.secret:
            self.fields["new_secret"].help_text = (
                f"{_KEPT} Leave it empty to keep the present one, which is sent to the "
                "present address in the present way alone: change one of those, and it has to be "
                "typed again."
            )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            check_url(url)
        except BadAddressError as error:
            raise forms.ValidationError(error.in_a_form) from error
        return url

    def clean_new_secret(self) -> str:
        typed: str = self.cleaned_data["new_secret"]
        is_key = self.cleaned_data.get("authentication") == Cluster.Authentication.API_KEY
        # A blank around a key that was pasted is none of it; of a password it may be.
        return typed.strip() if is_key else typed

    def _leads_elsewhere(self, data: dict[str, Any]) -> bool:
        """Answer whether the stored secret would be sent another way than it was given for."""
        before = self.initial
        if not self.instance.pk or not self.instance.secret:
            return False
        same = all((data[name] or "") == (before.get(name) or "") for name in _WAY)
        return not same or data["url"].rstrip("/") != str(before.get("url")).rstrip("/")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        if not data["new_secret"] and self._leads_elsewhere(data) and self._needs_secret(data):
            # Whoever answers there would be sent the stored one.
            self.add_error(
                "new_secret",
                "Type the password or API key again: the address, the certificate or the way to "
                "sign in is another one than before. Nothing was saved.",
            )
            return data
        trial = Cluster(
            name=data["name"],
            url=data["url"],
            authentication=data["authentication"],
            username=data["username"],
            secret=data["new_secret"] or self.instance.secret,
            ca_certificate=data["ca_certificate"],
        )
        try:
            self.proof = try_out(trial, self.instance.uuid)
        except TrialError as error:
            self.add_error(error.field, error.in_a_form)
            return data
        self.instance.uuid = self.proof.uuid
        return data

    @staticmethod
    def _needs_secret(data: dict[str, Any]) -> bool:
        return bool(data["authentication"] != Cluster.Authentication.NONE)

    def save(self, commit: bool = True) -> Any:
        """Take the new secret over, or let the stored one go where none is sent any more."""
        if not self._needs_secret(self.cleaned_data):
            self.instance.secret = ""
        elif self.cleaned_data["new_secret"]:
            self.instance.secret = self.cleaned_data["new_secret"]
        return super().save(commit)

    def twins(self) -> list[str]:
        """Return the names of other clusters here that are this very one, reached another way."""
        others = Cluster.objects.filter(uuid=self.proof.uuid).exclude(pk=self.instance.pk)
        return list(others.values_list("name", flat=True))

    def changed_words(self) -> str:
        """Return what is another than before, in words."""
        return ", ".join(WORDS[name] for name in WORDS if name in self.changed_data)
