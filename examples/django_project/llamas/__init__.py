"""Llamas, each with a file."""
