"""Direct uploads in Django's forms: a field that takes only complete files of its user, and the widget that sends them.

A form is told who its user is by ``OfUser``; without one the field takes nothing new. The widget needs the URL conf
``kist.django.urls.dabapps``.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.urls import NoReverseMatch, reverse

from kist.django.attaching import attached
from kist.errors import Misconfigured


class DirectUpload(forms.Widget):
    """Sends a file straight to the store, and puts its id into the form. No inline script: a CSP may forbid them."""

    template_name = "kist/direct_upload.html"

    class Media:
        css = {"all": ["kist/direct-upload.css"]}
        js = ["kist/direct-upload.js"]

    def id_for_label(self, id_: str) -> str:
        """A label belongs to what is seen: the chooser of files."""
        return f"{id_}_chooser" if id_ else ""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """What the template needs. ``Misconfigured`` where there are no URLs to upload to."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        told = [f"{attrs['id']}_said"] if attrs and "id" in attrs else []
        told += [context["widget"]["attrs"].get("aria-describedby", "")]
        context["widget"] |= {
            "create_url": _create_url(),
            "current": _row(value),
            "described_by": " ".join(filter(None, told)),
        }
        return context


class UploadedFileField(forms.ModelChoiceField):
    """The file of a form: a complete one of ``user``, or the one that the edited object has already."""

    widget = DirectUpload
    default_error_messages = {
        "invalid_choice": "This file cannot be used: it was not uploaded by you, or not completely. Upload it again.",
    }

    def __init__(self, queryset: Any = None, *, user: Any = None, **kwargs: Any) -> None:
        from kist.django.models import UploadedFile  # not at import: models have fields of this kind

        super().__init__(UploadedFile.objects.all() if queryset is None else queryset, **kwargs)
        self.user = user
        self._kept: str | None = None

    def get_bound_field(self, form: Any, field_name: str) -> Any:
        """As every field's; what the edited object has stays allowed, whoever edits it."""
        self._kept = _held(getattr(form, "instance", None), field_name)
        return super().get_bound_field(form, field_name)

    def to_python(self, value: Any) -> Any:
        """The row that is meant, None for none. ``ValidationError`` for what the user may not attach."""
        if value in self.empty_values:
            return None
        found = self._taken(value)
        if found is None:
            raise forms.ValidationError(self.error_messages["invalid_choice"], code="invalid_choice")
        return found

    def prepare_value(self, value: Any) -> Any:
        """The id to show, None for a file that could not be taken: not even its name is shown then."""
        return None if value in self.empty_values else getattr(self._taken(_text(value)), "pk", None)

    def _taken(self, value: Any) -> Any:
        if _text(value) == self._kept:
            return self.queryset.model.objects.filter(pk=self._kept).first()
        return attached(self.user, value, self.queryset)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether another file was chosen."""
        return not self.disabled and _text(initial) != _text(data)


class OfUser:
    """For forms with such fields: ``class LlamaForm(OfUser, ModelForm)``, and ``LlamaForm(user=request.user)``."""

    def __init__(self, *args: Any, user: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():  # type: ignore[attr-defined]  # of the form it is mixed into
            if isinstance(field, UploadedFileField):
                field.user = user


def _create_url() -> str:
    try:
        return f"{reverse('s3_file_uploads:upload-file-create').rstrip('/')}/"
    except NoReverseMatch as error:
        raise Misconfigured(
            "uploads of forms lead there: add path('s3-file-uploads/', include('kist.django.urls.dabapps')) to the URLs"
        ) from error


def _row(value: Any) -> Any:
    """The row of a value that a form shows; None where it is none."""
    from kist.django.models import UploadedFile

    try:
        return UploadedFile.objects.filter(pk=value).first() if value else None
    except (ValueError, TypeError, forms.ValidationError):
        return None


def _held(instance: Any, name: str) -> str | None:
    """The id of the file that an object which is there already has in that field."""
    if instance is None or instance._state.adding or not any(field.name == name for field in instance._meta.fields):
        return None
    return _text(instance._meta.get_field(name).value_from_object(instance)) or None


def _text(value: Any) -> str:
    return "" if value is None else str(getattr(value, "pk", value))
