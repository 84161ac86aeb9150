"""Makes the tables of the project that ``TEST_SITE`` describes, and its users: prints what they sign in with.

``ann`` and ``bob`` are users, ``root`` is staff, ``gone`` may not sign in any more.
"""

from __future__ import annotations

import json

from tests.django_host.site import from_environment

PASSWORD = "a password of theirs"


def main() -> None:
    """Make them, and print the primary key of each, their token (where tokens are installed) and a session."""
    from importlib import import_module

    from django.apps import apps
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    sessions = import_module(settings.SESSION_ENGINE)
    made = {}
    for name in ("ann", "bob", "root", "gone"):
        user = get_user_model().objects.create_user(name, password=PASSWORD, is_staff=name == "root")
        session = sessions.SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.create()
        token = ""
        if apps.is_installed("rest_framework.authtoken"):
            token = apps.get_model("authtoken", "Token").objects.create(user=user).key
        made[name] = {"pk": user.pk, "session": session.session_key, "token": token}
    get_user_model().objects.filter(username="gone").update(is_active=False)
    print(json.dumps(made))


if __name__ == "__main__":
    from_environment()
    main()
