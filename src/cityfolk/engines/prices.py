"""What a model costs: a table with a source and a date for each price, which the user may extend or correct."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from cityfolk.errors import DataError

VARIABLE = "CITYFOLK_PRICES"
LOCAL_ENGINES = ("pocket", "ollama", "hf", "replay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars a million tokens. `cached` is for prompt tokens that the provider had kept; None: not offered."""

    prompt: float = 0.0
    completion: float = 0.0
    cached: float | None = None
    source: str = ""
    date: str = ""

    def of(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return the dollars for a number of tokens, none of them from the provider's cache."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


LOCAL = Price(source="runs on your own machine", date="")


def user_table() -> Path:
    """Return the file where the user's own prices are: $CITYFOLK_PRICES, or prices.toml in the config folder."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "cityfolk" / "prices.toml"


def load_prices(path: Path | None = None) -> dict[str, Price]:
    """Return every known price by model name: the shipped ones, and over them those of `path` or `user_table()`.

    DataError names the table and key that is not a price.
    """
    shipped = files("cityfolk.engines").joinpath("prices.toml").read_text(encoding="utf-8")
    prices = parse_prices(shipped, "prices.toml")
    own = path or user_table()
    if path is not None or own.exists() or VARIABLE in os.environ:
        try:
            prices |= parse_prices(own.read_text(encoding="utf-8"), str(own))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"the prices in {own} cannot be read: {error}", hint="see docs/engines.md") from error
    return prices


def parse_prices(text: str, path: str) -> dict[str, Price]:
    """Read a table of prices: [models."NAME"] with prompt, completion, source, date and perhaps cached."""
    hint = 'such as [models."my-model"] prompt = 0.2, completion = 0.6, source = "...", date = "2026-01-31"'
    try:
        models = tomllib.loads(text).get("models", {})
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not a readable TOML file: {error}", hint=hint) from error
    prices = {}
    for name, row in models.items():
        problem = _problem(row)
        if problem:
            raise DataError(f"{path}: the price of {name!r} {problem}", hint=hint)
        prices[name] = Price(**row)
    return prices


def _problem(row: object) -> str:
    if not isinstance(row, dict):
        return "is not a table"
    wanted = {"prompt", "completion", "source", "date"}
    if missing := wanted - row.keys():
        return f"lacks {', '.join(sorted(missing))}"
    if unknown := row.keys() - wanted - {"cached"}:
        return f"has an unknown key {sorted(unknown)[0]!r}"
    for key in ("prompt", "completion", "cached"):
        value = row.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            return f"has a {key} that is not a number of dollars: {value!r}"
    if not all(isinstance(row[key], str) and row[key] for key in ("source", "date")):
        return "has a source or date that is not a text"
    return ""


def price_of(engine: str, model: str, prices: Mapping[str, Price], *, urls: tuple[str, ...] = ()) -> Price | None:
    """Return a model's price; None where nobody has written one down.

    Engines in process and servers on this machine cost nothing; a model's own entry in the table comes first. Options
    ("?thinking=off") do not matter.
    """
    name = model.partition("?")[0]
    if name in prices:
        return prices[name]
    if engine.partition("@")[0] in LOCAL_ENGINES or (urls and all(_is_local(url) for url in urls)):
        return LOCAL
    return None


def _is_local(url: str) -> bool:
    host = url.partition("://")[2].partition("/")[0]
    return host.rpartition(":")[0] in ("localhost", "127.0.0.1", "[::1]") or host in ("localhost", "127.0.0.1", "[::1]")
