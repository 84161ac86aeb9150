"""Which browser pages may talk to a bucket."""

from __future__ import annotations

from collections.abc import Sequence

from kist.errors import ObjectMissing
from kist.model.content import CorsRule
from kist.stores.s3.sender import Ask, Sender, content_md5
from kist.stores.s3.xml import Element, Node, build, parse_root

_QUERY = (("cors", ""),)


async def get_cors(sender: Sender, bucket: str) -> tuple[CorsRule, ...]:
    """The bucket's rules, empty when it has none."""
    try:
        answer = await sender.ask(Ask("GET", bucket, query=_QUERY))
    except ObjectMissing:
        return ()
    return tuple(_read(node) for node in parse_root(answer.body, "CORSConfiguration").all("CORSRule"))


async def set_cors(sender: Sender, bucket: str, rules: Sequence[CorsRule]) -> None:
    """Replace the bucket's rules; none removes them."""
    if not rules:
        await sender.ask(Ask("DELETE", bucket, query=_QUERY))
        return
    body = build("CORSConfiguration", [("CORSRule", _written(rule)) for rule in rules])
    headers = (("content-md5", content_md5(body)[1]), ("content-type", "application/xml"))
    await sender.ask(Ask("PUT", bucket, query=_QUERY, headers=headers, body=body))


def _read(node: Node) -> CorsRule:
    return CorsRule(
        origins=node.texts("AllowedOrigin"),
        methods=node.texts("AllowedMethod"),
        headers=node.texts("AllowedHeader"),
        expose=node.texts("ExposeHeader"),
        max_age=node.size("MaxAgeSeconds") if node.find("MaxAgeSeconds") else 0,
    )


def _written(rule: CorsRule) -> list[Element]:
    return [
        *(("AllowedOrigin", origin) for origin in rule.origins),
        *(("AllowedMethod", method) for method in rule.methods),
        *(("AllowedHeader", header) for header in rule.headers),
        *(("ExposeHeader", header) for header in rule.expose),
        ("MaxAgeSeconds", str(rule.max_age)),
    ]
