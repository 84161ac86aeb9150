"""The page at ``/docs``: the OpenAPI document for people. No script, no address but our own."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from typing import Any

from kist.wire.reply import Reply

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5c667a; --line: #dfe3ea; --paper: #fff; --shade: #f5f7fa;
  --get: #1769c2; --post: #17804a; --put: #9a6200; --patch: #7a4fb5; --delete: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0; --soft: #9aa4b8; --line: #2c3444; --paper: #12161f;
  --shade: #1a202c; --get: #6fb1ff; --post: #5fd39a; --put: #e5b35a; --patch: #c3a1f2; --delete: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.25rem 5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: .8rem; margin: 1rem 0 .35rem; color: var(--soft); text-transform: uppercase; letter-spacing: .05em; }
p { margin: .25rem 0 .75rem; color: var(--soft); }
code { font: .875em/1.5 ui-monospace, monospace; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; background: var(--shade); }
summary { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; padding: .55rem .85rem;
  cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary:focus-visible { outline: 2px solid var(--get); outline-offset: 2px; border-radius: .5rem; }
summary::before { content: "▸"; width: .8rem; color: var(--soft); }
details[open] > summary::before { content: "▾"; }
summary b { flex: 0 0 4.5rem; font: 700 .8rem ui-monospace, monospace; }
summary code { font-weight: 600; }
summary span { color: var(--soft); font-size: .9rem; }
details > div { padding: 0 .85rem .85rem; background: var(--paper); border-top: 1px solid var(--line);
  border-radius: 0 0 .5rem .5rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td { border-top: 1px solid var(--line); padding: .3rem .75rem .3rem 0; vertical-align: top; }
tr:first-child td { border-top: 0; }
td:first-child { white-space: nowrap; width: 1%; }
td:last-child { color: var(--soft); }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); }
.patch { color: var(--patch); } .delete { color: var(--delete); }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body>
<h1>{title}</h1>
<p>Version {version} at <code>{server}</code>. Send a key as <code>Authorization: Bearer …</code>, or as the password
of Basic. The same for machines: <a href="openapi.json">openapi.json</a>.</p>
{groups}
<h2>Types</h2>
{types}
</body>
</html>
"""

_METHODS = ("get", "post", "put", "patch", "delete")
_REF = "$ref"
_QUOTED = re.compile(r"``(.+?)``")


def docs_reply(description: dict[str, Any]) -> Reply:
    """``description`` (of ``openapi.describe``) as a page."""
    headers = (("content-security-policy", _POLICY), ("cache-control", "no-cache"))
    return Reply.text(render(description), headers=headers, type="text/html")


def render(description: dict[str, Any]) -> str:
    """The page's HTML. Every text in it is escaped."""
    groups: dict[str, list[str]] = {}
    for path, operations in description["paths"].items():
        group = groups.setdefault(_group(path), [])
        group.extend(_operation(path, method, operations[method]) for method in _METHODS if method in operations)
    schemas = description["components"]["schemas"]
    return _PAGE.format(
        title=escape(description["info"]["title"]),
        version=escape(description["info"]["version"]),
        server=escape(description["servers"][0]["url"]),
        style=_STYLE,
        groups="\n".join(f"<h2>{escape(name)}</h2>\n" + "\n".join(group) for name, group in groups.items()),
        types="\n".join(_type(name, schema) for name, schema in schemas.items()),
    )


def _group(path: str) -> str:
    named = [segment for segment in path.split("/") if segment and segment != "v1" and not segment.startswith("{")]
    return named[0].capitalize() if path.startswith("/v1/") and named else "Server"


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [f"<p>{_prose(operation['description'])}</p>" if "description" in operation else ""]
    if operation["parameters"]:
        rows = [(one["name"], _kind(one["schema"]), _about(one)) for one in operation["parameters"]]
        parts.append("<h3>Parameters</h3>" + _table(rows))
    if "requestBody" in operation:
        rows = [(media, _kind(body["schema"]), "") for media, body in operation["requestBody"]["content"].items()]
        parts.append("<h3>Body</h3>" + _table(rows))
    parts.append("<h3>Answers</h3>" + _table([_answer(*item) for item in operation["responses"].items()]))
    return (
        f'<details><summary><b class="{method}">{method.upper()}</b><code>{escape(path)}</code>'
        f"<span>{escape(operation['summary'])}</span></summary><div>{''.join(parts)}</div></details>"
    )


def _about(parameter: dict[str, Any]) -> str:
    default = parameter["schema"].get("default")
    facts = (f"in the {parameter['in']}", parameter.get("description"), f"default {default}" if default else None)
    return ", ".join(fact for fact in facts if fact)


def _answer(status: str, answer: dict[str, Any]) -> tuple[str, str, str]:
    kinds = [_kind(body["schema"]) for body in answer.get("content", {}).values()]
    return status, ", ".join(kinds), answer["description"]


def _type(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (field, _kind(kind), ("" if field in required else "optional. ") + kind.get("description", ""))
        for field, kind in schema.get("properties", {}).items()
    ]
    about = _prose(schema.get("description", ""))
    return (
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code><span>{about}</span></summary>'
        f"<div>{_table(rows)}</div></details>"
    )


def _prose(text: str) -> str:
    """Docstring prose as HTML: what stands between double backticks is code."""
    return _QUOTED.sub(r"<code>\1</code>", escape(text))


def _table(rows: list[tuple[str, str, str]]) -> str:
    lines = [
        f"<tr><td><code>{escape(first)}</code></td><td><code>{escape(second)}</code></td><td>{_prose(third)}</td></tr>"
        for first, second, third in rows
    ]
    return f"<table>{''.join(lines)}</table>"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words: ``string``, ``[File]``, ``name | size``."""
    if _REF in schema:
        return str(schema[_REF]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    if kind == "object" and "properties" in schema:
        return "{" + ", ".join(schema["properties"]) + "}"
    if schema.get("format") == "binary":
        return "bytes"
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)
