"""Host: the Django app. ``INSTALLED_APPS += ["kist.django"]`` brings models, URL confs, the admin and commands.

``composition`` is its composition root; ``runner`` and ``catalogue`` keep the rows over Django's own connection;
``host`` turns requests into calls and replies into responses; the rest is what Django projects expect of an app.
"""
