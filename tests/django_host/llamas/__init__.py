"""A project's own app: llamas with a file each."""
