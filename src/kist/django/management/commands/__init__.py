"""One command in each file. ``management.running`` holds what they have in common."""
