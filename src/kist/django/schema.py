"""The operation by which Django's migrations run Kist's own schema files, so that both make the same tables."""

from __future__ import annotations

from typing import Any

from django.db.migrations.operations.base import Operation

from kist.catalogues.sql.migrations import migrate, read_migrations
from kist.django.runner import DjangoRunner
from kist.drive import drive
from kist.system import SystemClock


class ApplySchema(Operation):
    """Apply the schema file of that number, unless it is applied already: ``kist migrate`` may have been first."""

    reversible = False
    reduces_to_sql = False

    def __init__(self, number: int) -> None:
        self.number = number

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The tables are Kist's: Django's models of them are not managed."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        known = [migration for migration in read_migrations() if migration.number == self.number]
        drive(migrate(DjangoRunner(schema_editor.connection.alias), SystemClock(), known))

    def describe(self) -> str:
        return f"Apply schema file {self.number} of Kist"
