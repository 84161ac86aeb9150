"""The Django app of Kist in this process and in servers of its own."""
