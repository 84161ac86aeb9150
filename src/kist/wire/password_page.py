"""The page that asks for the password of a link. No script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from kist.wire.reply import Reply

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 22rem; margin: 20vh auto 0; padding: 0 1.25rem; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; }
p { margin: 0 0 1rem; opacity: .75; }
form { display: flex; gap: .5rem; }
input { flex: 1; min-width: 0; }
input, button { font: inherit; padding: .45rem .7rem; border: 1px solid #8a94a6; border-radius: .4rem; }
button { background: #1769c2; border-color: #1769c2; color: #fff; cursor: pointer; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# No form-action: browsers apply it to where the answer sends them on as well, which is the store.
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Password</title><style>{style}</style></head>
<body>
<h1>A file for those who know the password</h1>
<p>{message}</p>
<form method="post"><input type="password" name="password" aria-label="Password" required autofocus>
<button>Open</button></form>
</body>
</html>
"""


def password_page(message: str) -> Reply:
    """Ask for a password, and say why. Its form is posted to the address that the page is at."""
    page = _PAGE.format(style=_STYLE, message=escape(f"{message[:1].upper()}{message[1:]}."))
    headers = [
        ("content-security-policy", _POLICY),
        ("cache-control", "private, no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ]
    return Reply.text(page, 401, headers, type="text/html")
