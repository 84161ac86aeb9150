"""Migrations of the llamas."""
