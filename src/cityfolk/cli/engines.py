"""`cityfolk engines`."""

from __future__ import annotations

from typing import Any

from cityfolk.cli.console import result
from cityfolk.cli.options import Json


def engines(as_json: Json = False) -> None:
    """List who can write and answer: engines, presets, and the servers and models that can be reached now."""
    from cityfolk.stages import list_engines

    found = list_engines()
    result(_text(found), found, as_json=as_json)


def _text(found: dict[str, Any]) -> str:
    lines = ["engines"]
    lines += [f"  {row['name']:<20} {row['from']}" for row in found["engines"]]
    lines += ["", "presets               Ollama             Hugging Face                              now"]
    for row in found["presets"]:
        lines.append(f"  {row['name']:<20}{row['ollama']:<19}{row['hugging_face']:<42}{_now(row)}")
    lines += ["", "servers on this machine"]
    for row in found["servers"]:
        models = row["models"]
        seen = "not reachable" if models is None else ", ".join(models[:8]) + " ..." * (len(models) > 8) or "no models"
        lines.append(f"  {row['title']:<30}{row['url']:<28}{seen}")
    return "\n".join(lines)


def _now(row: dict[str, Any]) -> str:
    places = ["in Ollama"] * bool(row["in_ollama"]) + ["weights downloaded"] * row["downloaded"]
    missing = "Ollama is not reachable" if row["in_ollama"] is None else f"ollama pull {row['ollama']}"
    return " and ".join(places) or missing
