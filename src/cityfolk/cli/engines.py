"""`cityfolk engines`."""

from __future__ import annotations

from cityfolk.cli.console import result
from cityfolk.cli.options import Json


def engines(as_json: Json = False) -> None:
    """List who can write and answer."""
    from cityfolk.engines.registry import known_engines

    rows = [{"name": known.name, "from": known.target} for known in known_engines()]
    result("\n".join(f"{row['name']:<12} {row['from']}" for row in rows), rows, as_json=as_json)
