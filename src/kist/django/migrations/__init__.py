"""Migrations: the twins of Kist's schema files, and the tables that are Django's alone."""
