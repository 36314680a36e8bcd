"""HTML that escapes by type: text is `str`, markup is `Html`, and only `tag` turns one into the other.

A page made here runs no script but its own (`page` names it by its hash in a content security policy) and asks the
network for nothing. Text that a model wrote can only ever become text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

from cityfolk.errors import UsageError

VOID = frozenset({"meta", "input", "br", "hr", "col", "wbr"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9:-]*\Z")
# What HTML forbids in text even when escaped, and the marks that reorder the text around them.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
)
_LINK = re.compile(r"(https?://|#)[^\s\"'<>]*\Z")


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that this package wrote. A plain `str` is always text."""

    markup: str


Node: TypeAlias = "Html | str | int | float | Iterable[Node] | None"
Attribute: TypeAlias = str | int | float | bool | None


def clean(text: str) -> str:
    """Return text in which U+FFFD stands for every character that HTML forbids or that reorders its surroundings."""
    return _FORBIDDEN.sub("\ufffd", text)


def render(node: Node) -> str:
    """Return the markup of a node: text escaped, markup as it is, None nothing, an iterable one after another."""
    if node is None:
        return ""
    if isinstance(node, Html):
        return node.markup
    if isinstance(node, str):
        return escape(clean(node), quote=False)
    if isinstance(node, int | float):
        return str(node)
    return "".join(render(child) for child in node)


def join(*nodes: Node) -> Html:
    """Put nodes one after another."""
    return Html(render(nodes))


def tag(name: str, /, *children: Node, **attributes: Attribute) -> Html:
    """Make an element. `class_` is class, `aria_label` is aria-label; None and False leave an attribute out.

    Raises UsageError for event handlers, for links that are not http(s) or on this page, and for anything that loads.
    """
    if not _NAME.match(name):
        raise UsageError(f"{name!r} is not the name of an element", hint="use letters and digits")
    opening = name + "".join(_attribute(name, key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{render(children)}</{name}>")


def _attribute(element: str, key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if not _NAME.match(name) or name.lower().startswith("on") or name in ("src", "srcset", "action", "formaction"):
        raise UsageError(
            f"attribute {name!r} is not allowed in a report", hint="a report loads nothing and runs one script"
        )
    if name == "href" and not (element == "a" and isinstance(value, str) and _LINK.match(value)):
        raise UsageError(
            f"{value!r} cannot be linked to", hint="links lead to http(s) addresses or to places on the page"
        )
    return f" {name}" if value is True else f' {name}="{escape(clean(str(value)), quote=True)}"'


def bidi(text: str) -> Html:
    """Set text from outside (a name, a story) so that its writing direction stays its own."""
    return tag("bdi", text)


def data_block(identifier: str, value: object) -> Html:
    """Make a JSON block that a script can read and that nothing inside it can close."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(f'<script type="application/json" id="{escape(identifier)}">{text}</script>')


def table(
    headings: Iterable[Node],
    rows: Iterable[Iterable[Node]],
    *,
    caption: str,
    numeric: Iterable[int] = (),
    id_: str | None = None,
    row_classes: Iterable[str] | None = None,
    sortable: bool = False,
    box: str = "",
) -> Html:
    """Make a table with a caption in a box that scrolls when the screen is narrow; box "tall" limits its height."""
    right = frozenset(numeric)
    head = tag(
        "tr",
        *(
            tag(
                "th",
                tag("button", h, type="button") if sortable else h,
                scope="col",
                class_="num" if i in right else None,
            )
            for i, h in enumerate(headings)
        ),
    )
    marks = iter(row_classes) if row_classes is not None else None
    body = (
        tag(
            "tr",
            *(tag("td", cell, class_="num" if i in right else None) for i, cell in enumerate(row)),
            class_=(next(marks) or None) if marks is not None else None,
        )
        for row in rows
    )
    inner = tag(
        "table",
        tag("caption", caption),
        tag("thead", head),
        tag("tbody", body),
        id_=id_,
        data_sortable=sortable,
    )
    return tag("div", inner, class_=f"scroll {box}".strip(), tabindex=0, role="region", aria_label=caption)


def page(title: str, body: Node, *, style: str, script: str, without_script: str = "") -> str:
    """Return a whole page. Its policy lets nothing load and lets no script run but `script`, named by its hash.

    `without_script` is style for readers who run no script at all.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    nothing = "default-src 'none'; base-uri 'none'; form-action 'none'"
    policy = f"{nothing}; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="robots", content="noindex"),
        tag("title", title),
        Html(f"<style>{style}</style>"),
        Html(f"<noscript><style>{without_script}</style></noscript>") if without_script else None,
    )
    content = tag("body", body, Html(f"<script>{script}</script>"))
    return "<!doctype html>\n" + tag("html", head, content, lang="en").markup + "\n"
