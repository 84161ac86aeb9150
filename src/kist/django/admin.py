"""The admin: files, uploads and jobs to look at, the files of users to upload, read and delete.

``DirectUploads`` brings the upload into the admin of a project's own models.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join

from kist.django.addresses import asked_at
from kist.django.composition import kist
from kist.django.forms import DirectUpload, UploadedFileField
from kist.django.host.callers import actor_of
from kist.django.models import UploadedFile
from kist.django.rows import File, Job, Upload
from kist.django.states import AWAIT_COMPLETE, COMPLETED, NEW, REMOVED
from kist.drive import drive
from kist.errors import FileMissing
from kist.model.file import FileState
from kist.wire.download import shown_as

READ_LIFE = timedelta(minutes=5)
"""How long the signed address lasts that a link of the admin leads on to."""


class DirectUploads:
    """For ``ModelAdmin`` and inlines: every relation to ``UploadedFile`` is a direct upload, of the user who is signed
    in. ``class LlamaAdmin(DirectUploads, ModelAdmin)``."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """As the admin's, for other fields."""
        if not _leads_to_files(db_field):
            return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        field = db_field.formfield(**kwargs | {"form_class": UploadedFileField, "widget": DirectUpload})
        field.user = request.user
        return field


class LookedAt(admin.ModelAdmin):
    """Rows that only the service writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: who may view sees them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


class ReadsFiles(admin.ModelAdmin):
    """Links that lead to the bytes of a file, for who may view its row."""

    def get_urls(self) -> list[Any]:
        """The admin's, and two that lead to the bytes."""
        return [
            path(f"<path:file_id>/{name}/", self.admin_site.admin_view(view), name=_route(self.model, name))
            for name, view in (("show", self.show), ("download", self.download))
        ] + super().get_urls()

    def show(self, request: HttpRequest, file_id: str) -> HttpResponseBase:
        """Lead on to where the file is shown."""
        return self._lead(request, file_id, inline=True)

    def download(self, request: HttpRequest, file_id: str) -> HttpResponseBase:
        """Lead on to where the file is saved."""
        return self._lead(request, file_id, inline=False)

    @admin.display(description="content")
    def links(self, row: Any) -> str:
        """The two links of a complete file."""
        row = row if isinstance(row, File) else row.row
        if row is None or row.state != FileState.READY:
            return "–"
        found = [(reverse(f"admin:{_route(self.model, name)}", args=[row.pk]), name) for name in ("show", "download")]
        return format_html_join(" · ", '<a href="{}">{}</a>', found)

    def _lead(self, request: HttpRequest, file_id: str, *, inline: bool) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise Http404
        actor, made = actor_of(request.user), kist()
        try:
            file = drive(made.files.get(actor, file_id))
        except FileMissing as error:
            raise Http404 from error
        drive(made.downloads.note_read(actor, file))
        with asked_at(request):
            return HttpResponseRedirect(made.downloads.signed(file, READ_LIFE, shown_as=shown_as(file, inline=inline)))


@admin.register(File)
class FileAdmin(LookedAt, ReadsFiles):
    """All files of Kist, also those that came without Django."""

    list_display = ("name", "links", "owner", "state", "shown_size", "type", "created_at")
    list_filter = ("state", "visibility", "bucket", "created_at")
    search_fields = ("name", "owner", "=id")
    date_hierarchy = "created_at"
    readonly_fields = ("links", "shares")
    exclude = ("folded",)
    actions = ("remove_files",)

    @admin.display(description="size", ordering="size")
    def shown_size(self, row: File) -> str:
        """The size as people read it."""
        return str(filesizeformat(row.size))

    @admin.display(description="shared with")
    def shares(self, row: File) -> str:
        """Who else may do what."""
        told = [
            (share.actor, ", ".join(what for what in ("read", "write", "share", "remove") if getattr(share, what)))
            for share in row.shares.all()
        ]
        return format_html_join("", "<div>{}: {}</div>", told) or "nobody"

    @admin.action(description="Remove the selected files", permissions=["remove"])
    def remove_files(self, request: HttpRequest, files: Any) -> None:
        """Remove files by the service: at once for everybody, the bytes when no read can still be open."""
        removed = 0
        for file_id in files.values_list("pk", flat=True):
            try:
                drive(kist().files.remove(actor_of(request.user), file_id))
            except FileMissing:  # it is not complete, or gone already
                continue
            removed += 1
        self.message_user(request, f"Removed: {removed}. Files that are not complete are left as they are.")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Who may delete files by Django's permissions."""
        return bool(request.user.has_perm("kist.delete_file"))


@admin.register(Upload)
class UploadAdmin(LookedAt):
    """How bytes are coming in, and what became of it."""

    list_display = ("name", "owner", "state", "door", "way", "size", "started_at", "deadline")
    list_filter = ("state", "door", "way", "started_at")
    search_fields = ("name", "owner", "=id", "=file__id")


@admin.register(Job)
class JobAdmin(LookedAt):
    """Syncs and what became of them."""

    list_display = ("number", "state", "source", "dest", "actor", "created_at", "ended_at", "reason")
    list_display_links = ("number", "state")
    list_filter = ("state", "created_at")
    search_fields = ("source", "dest", "actor", "=number")


class StateFilter(admin.SimpleListFilter):
    """``file_upload_state`` is no column."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All states."""
        return [(state, state.replace("_", " ").lower()) for state in (NEW, AWAIT_COMPLETE, COMPLETED, REMOVED)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """The rows in the chosen one."""
        return queryset if self.value() is None else queryset.filter(file_upload_state=self.value())


class AddForm(forms.ModelForm):
    """The file is there before the form is sent: the row is the one that its upload has made."""

    upload = UploadedFileField(label="File")

    class Meta:
        model = UploadedFile
        fields: tuple[str, ...] = ()

    def save(self, commit: bool = True) -> Any:
        """The row of the upload."""
        self.instance = self.cleaned_data["upload"]
        return super().save(commit)


@admin.register(UploadedFile)
class UploadedFileAdmin(ReadsFiles):
    """Files of users. Deleting a row removes the file."""

    list_display = ("__str__", "links", "user", "state", "size", "created")
    list_filter = (StateFilter, "created")
    list_select_related = ("user", "row")
    search_fields = ("filename", "file_key", "=id", "=user__id")
    date_hierarchy = "created"
    readonly_fields = ("id", "filename", "file_key", "user", "state", "size", "links", "created", "modified", "more")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: there is nothing to change about a file here."""
        return False

    @admin.display(description="state")
    def state(self, uploaded: UploadedFile) -> str:
        """In words."""
        return str(uploaded.file_upload_state).replace("_", " ").lower()

    @admin.display(description="size", ordering="row__size")
    def size(self, uploaded: UploadedFile) -> str:
        """The size as people read it."""
        return "–" if uploaded.row is None else str(filesizeformat(uploaded.row.size))

    @admin.display(description="more")
    def more(self, uploaded: UploadedFile) -> str:
        """Where its shares, its checksum and the like are shown."""
        if uploaded.row is None:
            return "–"
        return format_html(
            '<a href="{}">the file itself</a>', reverse("admin:kist_file_change", args=[uploaded.row_id])
        )

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """An upload to add, nothing to change."""
        if obj is not None:
            return super().get_form(request, obj, change=change, **kwargs)
        kind: Any = type("AddForm", (AddForm,), {})
        # The field of a subclass is that of its base: without a copy each request would change it for all.
        kind.base_fields["upload"] = deepcopy(kind.base_fields["upload"])
        kind.base_fields["upload"].user = request.user
        return kind

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What a page shows."""
        return ("upload",) if obj is None else self.readonly_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of a row that is there."""
        return () if obj is None else self.readonly_fields


def _leads_to_files(db_field: Any) -> bool:
    """Whether it is a relation to ``UploadedFile`` or a proxy of it."""
    related = db_field.related_model
    return isinstance(related, type) and issubclass(related, UploadedFile) and not db_field.many_to_many


def _route(model: Any, name: str) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}_{name}"
