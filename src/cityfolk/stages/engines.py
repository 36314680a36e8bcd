"""Engines as verbs use them: loaded, kept within limits, and listed with what can be reached now."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cityfolk.engines.base import Engine
from cityfolk.engines.budget import Budget, Purse
from cityfolk.engines.cache import Cache
from cityfolk.engines.presets import OLLAMA, Preset, ollama_models, presets, served_models
from cityfolk.engines.prices import Price, load_prices, price_of, user_table
from cityfolk.engines.registry import known_engines, load_engine
from cityfolk.engines.spec import split_name
from cityfolk.engines.wrapper import RateLimit
from cityfolk.errors import UsageError
from cityfolk.study.folder import JOURNAL, Study

# Where servers listen unless told otherwise: their own documentation.
SERVERS = {
    "vLLM or cityfolk serve-model": "http://localhost:8000/v1",
    "llama.cpp": "http://localhost:8080/v1",
    "LM Studio": "http://localhost:1234/v1",
}
_TAKES_CONCURRENCY = ("openai", "ollama")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a job may spend, how fast it may go, and where replies are shared: nothing here determines a row."""

    budget_usd: float | None = None
    budget_tokens: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    cache: Path | None = None
    concurrency: int | None = None

    def document(self) -> dict[str, Any]:
        """Return what was asked for, for the manifest."""
        return {name: str(v) if isinstance(v, Path) else v for name, v in asdict(self).items() if v is not None}


def load_engines(specs: Sequence[str], limits: Limits | None = None) -> list[Engine]:
    """Load every engine that is asked for, once; UsageError where two are the same model under two names."""
    concurrency = (limits or Limits()).concurrency
    engines = [load_engine(_at_once(spec, concurrency)) for spec in dict.fromkeys(specs)]
    seen: set[tuple[str, str]] = set()
    for engine in engines:
        if (engine.name, engine.model) in seen:
            raise UsageError(
                f"two engines are the same: {engine.name} with {engine.model}",
                hint="several addresses of one model are one engine: openai:MODEL@URL,URL",
            )
        seen.add((engine.name, engine.model))
    return engines


def require_task(engines: Sequence[Engine], task: str) -> None:
    """Raise UsageError for an engine that says what it was trained to do and leaves `task` out."""
    for engine in engines:
        known = getattr(engine, "tasks", None)
        if known is not None and task not in known:
            raise UsageError(
                f"{engine.name} was not trained for {task}, only for {', '.join(known)}",
                hint="name another engine with --engine, such as ollama:qwen3:8b",
            )


def _at_once(spec: str, concurrency: int | None) -> str:
    name, rest = split_name(spec)
    if concurrency is None or name not in _TAKES_CONCURRENCY or "concurrency=" in rest:
        return spec
    return f"{spec}{'&' if '?' in rest else '?'}concurrency={concurrency}"


def labels(engines: Sequence[Engine]) -> list[str]:
    """Return what to call each engine: its name, and its model where several have that name."""
    names = [engine.name for engine in engines]
    return [e.name if names.count(e.name) == 1 else f"{e.name}:{e.model}" for e in engines]


@contextmanager
def equipped(study: Study, engines: Sequence[Engine], limits: Limits) -> Iterator[list[Engine]]:
    """Give engines their wrappers for one job, and close at the end what was opened.

    The budget is the study's: what its journal says was paid earlier counts. UsageError as `check_limits` says.
    """
    costs = check_limits(engines, limits)
    purse = _purse(study, engines, costs, limits)
    ready: list[Engine] = []
    caches: list[Cache] = []
    try:
        for engine, cost in zip(engines, costs, strict=True):
            one: Engine = engine
            if limits.requests_per_minute is not None or limits.tokens_per_minute is not None:
                one = RateLimit(
                    one,
                    requests_per_minute=limits.requests_per_minute,
                    tokens_per_minute=limits.tokens_per_minute,
                )
            if purse is not None:
                one = Budget(one, purse, cost)
            if limits.cache is not None:
                caches.append(Cache(one, limits.cache))
                one = caches[-1]
            ready.append(one)
        yield ready
    finally:
        for cache in caches:
            cache.close()


def check_limits(engines: Sequence[Engine], limits: Limits) -> list[Price | None]:
    """Return each engine's price; UsageError where a budget in dollars is given and a model's price is not known."""
    prices = load_prices() if limits.budget_usd is not None else {}
    costs = [engine_price(engine, prices) for engine in engines]
    if limits.budget_usd is not None:
        for engine, cost in zip(engines, costs, strict=True):
            if cost is None:
                raise UsageError(
                    f"nobody has written down what {engine.model} costs, so a budget in dollars cannot be kept",
                    hint=f"add its price to {user_table()}, or give --budget-tokens",
                )
    return costs


def engine_price(engine: Engine, prices: Mapping[str, Price]) -> Price | None:
    """Return what an engine's model costs; None where it is not known."""
    return price_of(engine.name, engine.model, prices, urls=tuple(getattr(engine, "urls", ())))


def _purse(study: Study, engines: Sequence[Engine], costs: Sequence[Price | None], limits: Limits) -> Purse | None:
    if limits.budget_usd is None and limits.budget_tokens is None:
        return None
    purse = Purse(usd=limits.budget_usd, tokens=limits.budget_tokens)
    known = dict(zip(((e.name, e.model) for e in engines), costs, strict=True))
    for name, model, prompt, completion in study.journal.paid() if (study.folder / JOURNAL).exists() else ():
        # A server may call its model otherwise than we asked for it; an engine that is not asked now has cost nothing.
        same_name = (cost for (other, _), cost in known.items() if other == name and cost)
        price = known.get((name, model)) or next(same_name, None) or Price()
        purse.spent_usd += price.of(prompt, completion)
        purse.spent_tokens += prompt + completion
    return purse


def list_engines() -> dict[str, Any]:
    """Return the engines that are installed, the presets, and which models can be reached at this moment.

    Each place is asked for at most a second, all at once; nothing outside this machine is asked.
    """
    with ThreadPoolExecutor(max_workers=1 + len(SERVERS)) as pool:
        ollama = pool.submit(ollama_models)
        served = {title: pool.submit(served_models, url) for title, url in SERVERS.items()}
    have = ollama.result()
    return {
        "engines": [{"name": known.name, "from": known.target} for known in known_engines()],
        "servers": [
            {"title": "Ollama", "url": OLLAMA, "models": have},
            *({"title": title, "url": SERVERS[title], "models": found.result()} for title, found in served.items()),
        ],
        "presets": [_preset_row(preset, have) for preset in presets()],
    }


def _preset_row(preset: Preset, have: list[str] | None) -> dict[str, Any]:
    return {
        **asdict(preset),
        "in_ollama": None if have is None else preset.ollama in have,
        "downloaded": _downloaded(preset.hugging_face),
    }


def _downloaded(repository: str) -> bool:
    """Say whether a model's weights lie in Hugging Face's cache folder."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    snapshots = hub / f"models--{repository.replace('/', '--')}" / "snapshots"
    return snapshots.is_dir() and any(snapshots.glob("*/*.safetensors"))
