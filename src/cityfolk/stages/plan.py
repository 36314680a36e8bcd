"""`write --dry-run`: what a job would ask, how much of it, and what it would cost; nobody is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cityfolk.engines.base import Engine
from cityfolk.engines.prices import Price, load_prices, user_table
from cityfolk.engines.wrapper import CHARACTERS_PER_TOKEN
from cityfolk.profiles.guidance import form_for
from cityfolk.profiles.prompts import prompt_name
from cityfolk.profiles.schema import ProfileText, ReflectionsText
from cityfolk.profiles.write import REFLECT_STAGE, STAGE, profile_request, reflections_request
from cityfolk.stages.engines import engine_price, labels, load_engines
from cityfolk.stages.lives import WriteOptions, choose, sampling_of
from cityfolk.study.folder import JOURNAL, Study
from cityfolk.types import Citizen, Request, Sampling

SAMPLE = 50  # citizens, or requests, whose prompts are counted
# A field of two sentences, a short field, an item: the lengths in characters that the guidance asks for.
_TEXT, _SHORT = 150, 22
_LISTS = ("strengths", "weaknesses")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one engine would be asked. Tokens are of all calls together; `how_*` says where a number comes from."""

    engine: str
    model: str
    prompt: str
    calls: int
    answered: int
    prompt_tokens: int
    how_prompt: str
    completion_tokens: int
    how_completion: str
    shared: float
    usd: float | None
    usd_if_cached: float | None
    price: str


def plan_lives(study: Study, options: WriteOptions) -> dict[str, Any]:
    """Say what `write` would do: the first prompt as messages, and an estimate for each engine.

    A call that the journal already answers is not counted. Tokens of prompts are counted on the first 50 citizens.
    """
    engines = load_engines(options.engines, options.limits)
    _, chosen = choose(study, options)
    sampling = sampling_of(study, options)
    prices = load_prices()
    estimates = [
        _estimate(study, engine, label, chosen, options, sampling, engine_price(engine, prices))
        for engine, label in zip(engines, labels(engines), strict=True)
    ]
    return plan_document(engines[0], _requests(chosen[0], engines[0], options, sampling)[0], estimates)


def plan_document(engine: Engine, first: Request, estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Return a plan: the first request as messages and as the first engine sends it, and what each engine is asked."""
    return {
        "messages": [{"role": message.role, "content": message.content} for message in first.messages],
        "sent": _sent(engine, first),
        "calls": sum(one.calls for one in estimates),
        "engines": [{name: getattr(one, name) for name in Estimate.__slots__} for one in estimates],
        "usd": None if any(one.usd is None for one in estimates) else sum(one.usd or 0.0 for one in estimates),
        "prices": str(user_table()),
    }


def _requests(citizen: Citizen, engine: Engine, options: WriteOptions, sampling: Sampling) -> list[Request]:
    """Return what a citizen needs of one engine; at full depth the profile stands without its reflections."""
    profile = profile_request(citizen, engine.model, sampling, form=options.prompt)
    if options.depth != "full":
        return [profile]
    return [reflections_request(citizen, engine.model, sampling, options.prompt), profile]


def _estimate(
    study: Study,
    engine: Engine,
    label: str,
    chosen: Sequence[Citizen],
    options: WriteOptions,
    sampling: Sampling,
    price: Price | None,
) -> Estimate:
    done = _answered(study)
    count, _ = counter(engine)
    per_citizen = [_requests(citizen, engine, options, sampling) for citizen in chosen[:SAMPLE]]
    sample = [request for requests in per_citizen for request in requests]
    wrote, how_completion = _completion(study, engine, options.depth, count)
    turns = 2 if options.depth == "full" else 1
    first = (_requests(citizen, engine, options, sampling)[0].key for citizen in chosen)
    answered = sum(key in done for key in first) * turns
    calls = len(chosen) * turns - answered
    return estimate_calls(
        engine,
        label,
        prompt_name(options.depth, options.prompt or form_for(engine.model)),
        sample,
        calls=calls,
        answered=answered,
        wrote=wrote,
        how=how_completion,
        price=price,
        more=wrote / 2 if turns == 2 else 0.0,  # the profile is asked for with the reflections in its prompt
    )


def estimate_calls(
    engine: Engine,
    label: str,
    prompt: str,
    sample: Sequence[Request],
    *,
    calls: int,
    answered: int,
    wrote: float,
    how: str,
    price: Price | None,
    more: float = 0.0,
) -> Estimate:
    """Return what `calls` requests like those of the sample take, if a reply has `wrote` tokens.

    `how` says where that number comes from; `more` tokens a prompt are not in the sample.
    """
    count, how_prompt = counter(engine)
    each = sum(count(_text(request)) for request in sample) / max(1, len(sample)) + more
    prompt_tokens, completion = round(each * calls), round(wrote * calls)
    shared = _shared([request for request in sample if request.schema == sample[-1].schema])
    cached = None
    if price is not None and price.cached is not None:
        kept = round(prompt_tokens * shared)
        cached = price.of(prompt_tokens - kept, completion) + kept * price.cached / 1e6
    return Estimate(
        engine=label,
        model=engine.model,
        prompt=prompt,
        calls=calls,
        answered=answered,
        prompt_tokens=prompt_tokens,
        how_prompt=how_prompt,
        completion_tokens=completion,
        how_completion=how,
        shared=shared,
        usd=None if price is None else price.of(prompt_tokens, completion),
        usd_if_cached=cached,
        price=_price_words(price),
    )


class Sample:
    """Some fifty to a hundred requests of a stream of any length, evenly apart, and how long those that count are."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._seen, self._apart = 0, 1
        self._counted, self._characters = 0, 0

    def add(self, request: Request, *, counts: bool = True) -> None:
        """See the next request, and whether it counts among those whose length is wanted."""
        if counts:
            self._counted += 1
            self._characters += len(_text(request))
        if self._seen % self._apart == 0:
            self.requests.append(request)
        self._seen += 1
        if len(self.requests) > 2 * SAMPLE:
            self.requests = self.requests[::2]
            self._apart *= 2

    def more(self, count: Callable[[str], int]) -> float:
        """Return by how many tokens the mean of those that count is longer than the mean of the sample.

        In a conversation turns grow, so that any fifty of them may be too long or too short.
        """
        texts = [_text(request) for request in self.requests]
        if not self._counted or not texts:
            return 0.0
        apart = self._characters / self._counted - sum(map(len, texts)) / len(texts)
        return apart * sum(map(count, texts)) / max(1, sum(map(len, texts)))


def counter(engine: Engine) -> tuple[Callable[[str], int], str]:
    """Return how to count an engine's tokens, and in words how: by its tokenizer, if that lies in a folder here."""
    folder = getattr(engine, "folder", None) or getattr(getattr(engine, "place", None), "folder", None)
    if folder is not None and (Path(folder) / "tokenizer.json").exists():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        return lambda text: len(tokenizer.encode(text).ids), "counted by the model's tokenizer"
    return (
        lambda text: round(len(text) / CHARACTERS_PER_TOKEN),
        f"estimated at {CHARACTERS_PER_TOKEN:g} characters a token",
    )


def _text(request: Request) -> str:
    return "\n".join(message.content for message in request.messages)


def _completion(study: Study, engine: Engine, depth: str, count: Callable[[str], int]) -> tuple[float, str]:
    """Return the tokens of one answer, averaged over the turns of a citizen, and where the number comes from."""
    before = mean_completion(study, engine, (STAGE, REFLECT_STAGE))
    if before is not None:
        return before
    models = (ReflectionsText, ProfileText) if depth == "full" else (ProfileText,)
    texts = [json.dumps({name: _typical(name) for name in model.model_fields}) for model in models]
    return sum(map(count, texts)) / len(texts), f"an answer of {_TEXT} characters a text field, as asked for"


def mean_completion(study: Study, engine: Engine, stages: Collection[str]) -> tuple[float, str] | None:
    """Return the mean tokens of a model's earlier replies in some stages, and of how many calls; None: no calls."""
    if not (study.folder / JOURNAL).exists():
        return None
    rows = [
        row
        for row in study.journal.summary()
        if row["model"] == engine.model and row["stage"] in stages and row["completion_tokens"]
    ]
    calls = sum(row["calls"] for row in rows)
    return (
        (sum(row["completion_tokens"] for row in rows) / calls, f"the mean of {calls:,} earlier calls")
        if calls
        else None
    )


def _typical(name: str) -> str | list[str]:
    words = "Most days go by in much the same way, and that is how it should be, or so they say. "
    if name in _LISTS:
        return [words[:_SHORT]] * 3
    return words[:_SHORT] if name == "job_title" else (words * 2)[:_TEXT]


def _answered(study: Study) -> set[str]:
    """Return the keys that the journal answers."""
    if not (study.folder / JOURNAL).exists():
        return set()
    return {key for stage in (STAGE, REFLECT_STAGE) for key in study.journal.state(stage)[0]}


def _shared(requests: Sequence[Request]) -> float:
    """Return the share of prompt characters that a prompt has in common with the one before it, from the start."""
    prompts = ["".join(message.content for message in request.messages) for request in requests]
    if len(prompts) < 2:
        return 0.0
    same = 0
    for before, now in pairwise(prompts):
        same += next(
            (i for i, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now))
        )
    return same / sum(map(len, prompts[1:]))


def _sent(engine: Engine, request: Request) -> Any:
    """Return a request as the engine sends it, where it can say so: a body, or the text after the chat template."""
    preview = getattr(engine, "preview", None)
    return preview(request) if callable(preview) else None


def _price_words(price: Price | None) -> str:
    if price is None:
        return "not known"
    if not price.date:
        return f"nothing: {price.source}"
    return f"${price.prompt:g} in, ${price.completion:g} out a million tokens ({price.source}, {price.date})"
