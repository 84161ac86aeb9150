"""The operation by which the older table's rows become those of ``kist.django``, and relations lead there."""

from __future__ import annotations

import copy
from typing import Any

from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState

from kist.django.older import copy_rows

LABEL, NAME = "s3_file_uploads", "UploadedFile"


class JoinKist(Operation):
    """Copy the rows with their ids, turn every foreign key to them, and make the older model a proxy.

    The older table stays while it has rows: ``kist_adopt_s3_file_uploads`` reads there which of them are complete.
    """

    reversible = False
    reduces_to_sql = False

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The model is a proxy from now on."""
        options = {"proxy": True, "ordering": ("-created",), "indexes": [], "constraints": []}
        options |= {"base_manager_name": "objects", "default_manager_name": "objects"}
        state.models[LABEL, NAME.lower()] = ModelState(
            LABEL, NAME, fields=[], options=options, bases=("kist.uploadedfile",)
        )
        if "apps" in state.__dict__:
            state.reload_model(LABEL, NAME.lower())

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Copy, turn, and drop a table that has nothing in it."""
        connection = schema_editor.connection
        older = from_state.apps.get_model(LABEL, NAME)
        copy_rows(connection)
        if connection.vendor == "postgresql":
            connection.check_constraints()  # else those that wait for the commit keep the tables from being changed
        for relation in older._meta.get_fields(include_hidden=True):
            if relation.auto_created and not relation.concrete and not relation.many_to_many:
                _turn(schema_editor, relation.field, to_state)
        if not older._base_manager.using(connection.alias).exists():
            schema_editor.delete_model(older)

    def describe(self) -> str:
        """For ``migrate``."""
        return "Join the rows of django-s3-file-upload with those of Kist"


def _turn(schema_editor: Any, field: Any, to_state: Any) -> None:
    """Have the foreign key lead to the other table: without a constraint first, then with the new one."""
    model = field.model
    if not field.db_constraint or not model._meta.managed or model._meta.proxy:
        return
    loose = copy.copy(field)
    loose.db_constraint = False
    schema_editor.alter_field(model, field, loose)
    after = to_state.apps.get_model(model._meta.app_label, model._meta.model_name)
    schema_editor.alter_field(after, loose, after._meta.get_field(field.name))
