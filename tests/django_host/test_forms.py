"""Direct uploads in forms: what the field takes, and what the widget shows of it."""

from __future__ import annotations

import uuid
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.db import models
from django.test import override_settings
from django.test.utils import isolate_apps
from tests.django_host.llamas.models import Llama
from tests.django_host.projects import post, user

from kist.django.forms import DirectUpload, OfUser, UploadedFileField
from kist.django.models import File, UploadedFile
from kist.django.relations import OneUploadedFileField
from kist.django.relations import UploadedFileField as Relation
from kist.errors import Misconfigured


class LlamaForm(OfUser, forms.ModelForm):
    file = UploadedFileField()

    class Meta:
        model = Llama
        fields = ("name", "file")


def finished(owner: Any, name: str = "a.txt") -> UploadedFile:
    uploaded = UploadedFile.objects.create(user=owner, filename=name)
    assert post(uploaded.get_upload_form(), b"hello") == (204, "")
    uploaded.completed_upload()
    return uploaded


def form_of(who: Any, given: object, **more: Any) -> LlamaForm:
    return LlamaForm({"name": "Dolly", "file": given}, user=who, **more)


class Shown(HTMLParser):
    """The tags of a page, with what matters of them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def one(self, tag: str, **having: str) -> dict[str, str | None]:
        (found,) = [of for name, of in self.tags if name == tag and having.items() <= of.items()]
        return found


def test_a_complete_file_of_ones_own_is_taken(site: Path) -> None:
    ann = user()
    uploaded = finished(ann)
    form = form_of(ann, str(uploaded.pk))
    assert form.is_valid(), form.errors
    assert form.save().file == uploaded


def test_nothing_else_is_and_not_even_its_name_is_shown(site: Path) -> None:
    ann, bob = user(), user("bob")
    theirs = finished(bob, "secret-plan.txt")
    started = UploadedFile.objects.create(user=ann, filename="started.txt")
    started.get_upload_form()
    key = File.objects.get(pk=str(theirs.pk)).key
    for given in (str(theirs.pk), str(started.pk), key, "../x", "12345", str(uuid.uuid4()), "<script>"):
        form = form_of(ann, given)
        assert form.errors == {"file": [UploadedFileField.default_error_messages["invalid_choice"]]}
        page = str(form["file"])
        assert "secret-plan" not in page
        assert given not in page
    assert form_of(ann, "").errors == {"file": ["This field is required."]}


def test_without_a_user_nothing_new_is_taken(site: Path) -> None:
    ann = user()
    uploaded = finished(ann)
    assert not form_of(None, str(uploaded.pk)).is_valid()
    assert not form_of(ann, str(finished(None).pk)).is_valid()


def test_what_the_object_has_already_stays_whoever_edits_it(site: Path) -> None:
    ann, bob = user(), user("bob")
    llama = Llama.objects.create(name="Dolly", file=finished(bob))
    form = form_of(ann, str(llama.file.pk), instance=llama)
    assert "a.txt" in str(form["file"])
    assert form.is_valid(), form.errors
    assert form.changed_data == []
    other = finished(bob, "b.txt")
    assert not form_of(ann, str(other.pk), instance=Llama.objects.get()).is_valid()
    assert not LlamaForm({"name": "x", "file": str(other.pk)}, user=ann, initial={"file": str(other.pk)}).is_valid()
    mine = finished(ann, "mine.txt")
    form = form_of(ann, str(mine.pk), instance=Llama.objects.get())
    assert (form.is_valid(), form.changed_data) == (True, ["file"])


def test_the_widget_can_be_used_by_all_and_has_no_script_inside(site: Path) -> None:
    ann = user()
    form = LlamaForm(user=ann)
    page = str(form["file"])
    assert "<script" not in page
    assert "onclick" not in page
    assert "style=" not in page
    shown = Shown(f"{form['file'].label_tag()}{page}")
    hidden, chooser = shown.one("input", type="hidden"), shown.one("input", type="file")
    assert (hidden["name"], hidden.get("value")) == ("file", None)
    assert "name" not in chooser, "its bytes must not go through the application"
    assert shown.one("label")["for"] == chooser["id"]
    assert chooser["aria-describedby"] == shown.one("output")["id"]
    assert shown.one("output")["role"] == "status"
    assert shown.one("span", **{"data-create-url": "/s3-file-uploads/"})
    assert "kist/direct-upload.js" in str(form.media)
    assert not form.is_multipart()


def test_a_file_that_is_there_is_shown_and_can_be_taken_out_where_it_may_be(site: Path) -> None:
    ann = user()
    uploaded = finished(ann, "<b>.txt")

    class Optional(OfUser, forms.Form):
        file = UploadedFileField(required=False)

    page = str(Optional({"file": str(uploaded.pk)}, user=ann)["file"])
    assert "&lt;b&gt;.txt" in page
    assert "kist-upload-clear" in page
    assert Shown(page).one("a")["href"] == uploaded.file_path
    assert Shown(page).one("input", type="hidden")["value"] == str(uploaded.pk)
    empty = Optional({"file": ""}, user=ann)
    assert (empty.is_valid(), empty.cleaned_data) == (True, {"file": None})


def test_without_the_urls_the_widget_says_so(site: Path) -> None:
    with override_settings(ROOT_URLCONF="kist.django.urls.door"), pytest.raises(Misconfigured, match=r"urls\.dabapps"):
        str(LlamaForm(user=user())["file"])


@pytest.mark.parametrize(
    ("kind", "base"), [(Relation, models.ForeignKey), (OneUploadedFileField, models.OneToOneField)]
)
def test_fields_of_models(site: Path, kind: type[Any], base: type[Any]) -> None:
    with isolate_apps("tests.django_host.llamas"):

        class Barn(models.Model):
            plan = kind(UploadedFile)

            class Meta:
                app_label = "llamas"

    field: Any = Barn._meta.get_field("plan")
    assert isinstance(field, base)
    assert field.remote_field.on_delete is models.PROTECT
    _, path, _, keywords = field.deconstruct()
    assert path == f"kist.django.relations.{kind.__name__}"
    assert (keywords["to"], "unique" in keywords) == ("kist.uploadedfile", False)
    formed = field.formfield()
    assert isinstance(formed, UploadedFileField)
    assert isinstance(formed.widget, DirectUpload)
