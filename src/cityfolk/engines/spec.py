"""The grammar of what follows an engine's name: a model, where it is served, an adapter, options.

    openai:MODEL@URL[,URL ...][?OPTION=VALUE&...]
    ollama:MODEL[@URL][?...]
    hf:REPO_OR_FOLDER[+ADAPTER][?...]
    pocket[:FOLDER][+ADAPTER]

Options that determine a reply (thinking, schema) belong to the model's name and so to every key; addresses, numbers of
calls at once and time limits do not. A key or password is never part of a name: names are kept in study files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from urllib.parse import quote, unquote, urlsplit

from cityfolk.errors import UsageError

_SECRET = {"key", "api_key", "apikey", "token", "access_token", "password", "secret"}
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A parsed name. `urls` have no trailing slash; `options` keep the order in which they were given."""

    model: str = ""
    urls: tuple[str, ...] = ()
    adapter: str = ""
    options: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def __str__(self) -> str:
        """Write the name again: `parse_spec(str(spec)) == spec`."""
        adapter = f"+{self.adapter}" if self.adapter else ""
        urls = f"@{','.join(self.urls)}" if self.urls else ""
        return f"{self.model}{adapter}{urls}{_query(self.options.items())}"

    def identity(self, *determining: str) -> str:
        """Return the model's name with those of the named options that were given, in alphabetical order."""
        return self.model + _query((name, self.options[name]) for name in sorted(determining) if name in self.options)

    def word(self, name: str, allowed: Collection[str], default: str = "") -> str:
        """Return an option that is one of a few words; UsageError if it is another."""
        value = self.options.get(name, default)
        if name in self.options and value not in allowed:
            raise UsageError(
                f"the option {name} cannot be {value!r}", hint=_near(value, allowed, "it is one of", quoted=False)
            )
        return value

    def integer(self, name: str, default: int, *, at_least: int = 1) -> int:
        """Return an option that is a whole number; UsageError if it is not one or too small."""
        value = self.options.get(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and int(value) >= at_least):
            raise UsageError(
                f"the option {name} cannot be {value!r}", hint=f"it is a whole number of at least {at_least}"
            )
        return int(value)

    def number(self, name: str, default: float, *, above: float = 0.0) -> float:
        """Return an option that is a number greater than `above`; UsageError if it is not."""
        value = self.options.get(name)
        if value is None:
            return default
        try:
            parsed = float(value)
        except ValueError:
            parsed = float("nan")
        if not above < parsed < float("inf"):
            raise UsageError(f"the option {name} cannot be {value!r}", hint=f"it is a number above {above:g}")
        return parsed


def parse_spec(rest: str, *, known: Collection[str] | None = None, remote: bool = True, adapters: bool = True) -> Spec:
    """Read what follows "NAME:"; UsageError says in one sentence what is wrong with it.

    `known` names the options that the engine has (None: any). An engine in process sets `remote` to False: an "@" is
    then part of a folder's name. An engine without adapters sets `adapters` to False: so is a "+".
    """
    body, mark, query = rest.partition("?")
    options = _options(query, known) if mark else {}
    urls: tuple[str, ...] = ()
    if remote and "@" in body:
        body, _, addresses = body.partition("@")
        urls = tuple(_url(address) for address in addresses.split(","))
    adapter = ""
    if adapters:
        body, plus, adapter = body.partition("+")
        if plus and not adapter:
            raise UsageError("no adapter follows the +", hint="give its folder, such as hf:MODEL+adapters/NAME")
    return Spec(model=body, urls=urls, adapter=adapter, options=MappingProxyType(options) if options else _NOTHING)


def split_name(spec: str) -> tuple[str, str]:
    """Split "NAME:REST" into NAME and REST; a "+" or "?" right after the name begins REST as well."""
    end = min((place for mark in ":+?" if (place := spec.find(mark)) >= 0), default=len(spec))
    return spec[:end], spec[end + 1 :] if spec[end : end + 1] == ":" else spec[end:]


def _url(text: str) -> str:
    address = text.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"an address cannot be read: {error}", hint="such as @http://localhost:8000/v1") from None
    if "@" in text:
        raise UsageError(
            "an address carries a user name or a key, and names of engines are kept in study files",
            hint="leave it out; put the key in the environment (OPENAI_API_KEY, or name another: ?key_env=MY_KEY)",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.fragment:
        raise UsageError(
            f"{text!r} is not an address of a server",
            hint="an address begins with http:// or https://, such as @http://localhost:8000/v1",
        )
    return address


def _options(query: str, known: Collection[str] | None) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        name = unquote(name)
        if not name or not equals or not value:
            raise UsageError("an option is NAME=VALUE", hint="such as ?thinking=off&concurrency=64")
        if name.lower().replace("-", "_") in _SECRET:
            raise UsageError(
                f"the option {name} would put a secret in the study's files",
                hint="put the key in the environment (OPENAI_API_KEY, or name another: ?key_env=MY_KEY)",
            )
        if known is not None and name not in known:
            raise UsageError(f"there is no option {name!r} for this engine", hint=_near(name, known, "its options"))
        if name in options:
            raise UsageError(f"the option {name} is given twice", hint="give it once")
        options[name] = unquote(value)
    return options


def _near(word: str, known: Collection[str], title: str, *, quoted: bool = True) -> str:
    near = get_close_matches(word, known, n=1)
    if near and quoted:
        return f"did you mean {near[0]!r}?"
    return f"{title}: {', '.join(sorted(known)) or 'none'}"


def _query(options: Iterable[tuple[str, str]]) -> str:
    text = "&".join(f"{quote(name, safe='')}={quote(value, safe='/:,._-')}" for name, value in options)
    return f"?{text}" if text else ""
