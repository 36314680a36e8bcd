"""`evaluate control --dry-run`: what the parts would ask, counted request by request, and what that would cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cityfolk.engines.base import Engine
from cityfolk.engines.prices import load_prices
from cityfolk.preferences.judging.base import Item
from cityfolk.preferences.judging.llm import STAGE as JUDGE_STAGE
from cityfolk.preferences.judging.llm import LLMJudge, Looks
from cityfolk.preferences.judging.prompts import JUDGE
from cityfolk.stages.asked import SENTENCES, plan_asked
from cityfolk.stages.control_jobs import Speaker
from cityfolk.stages.engines import Limits, engine_price, labels, load_engines
from cityfolk.stages.plan import estimate_calls, plan_document
from cityfolk.study.folder import JOURNAL, Study
from cityfolk.types import Request

CHOICE = (1.0, "one option")


def estimated(
    study: Study,
    speakers: Sequence[Speaker],
    requests: Callable[[Speaker], Iterable[Request]],
    *,
    stage: str,
    prompt: str,
    wrote: tuple[float, str] | None = None,
) -> dict[str, Any]:
    """Return a plan of what speakers are asked, as `asked.plan_asked`; nobody to ask is a plan of no calls."""
    if not speakers:
        return {"messages": [], "sent": None, "calls": 0, "engines": [], "usd": 0.0}
    asked = [(speaker.engine, prompt, requests(speaker)) for speaker in speakers]
    return plan_asked(study, asked, stage=stage, wrote=wrote)


def judging(study: Study, names: Sequence[str], answers: int, limits: Limits) -> dict[str, Any]:
    """Estimate what language models take that read so many answers of usual length, in two orders.

    An engine is counted as one that reports probabilities: a call a trait and order, a token each. What it has judged
    in this study is taken off.
    """
    there = study.journal.summary() if (study.folder / JOURNAL).exists() else ()
    item = Item(answer_id="a", question="What do you do on a free evening, and why?", text=SENTENCES)
    asked: list[tuple[Engine, list[Request], int, int]] = []
    for engine in load_engines(names, limits):
        # Nothing is asked, so the journal is not touched.
        judge = LLMJudge(engine=engine, journal=None, looks=Looks())  # type: ignore[arg-type]
        done = sum(row["calls"] for row in there if row["stage"] == JUDGE_STAGE and row["model"] == engine.model)
        asked.append((engine, list(judge.requests([item])), judge.calls(answers), done))
    return like(asked, prompt=JUDGE, wrote=(1.0, "one digit"))


def like(
    asked: Sequence[tuple[Engine, Sequence[Request], int, int]], *, prompt: str, wrote: tuple[float, str]
) -> dict[str, Any]:
    """Return a plan of requests that can't be made yet, since they will hold replies that are not there.

    (engine, requests like them, how many there will be, how many of those were made before) each.
    """
    prices = load_prices()
    names = labels([engine for engine, *_ in asked])
    estimates = [
        estimate_calls(
            engine,
            label,
            prompt,
            sample,
            calls=max(0, calls - done),
            answered=min(calls, done),
            wrote=wrote[0],
            how=wrote[1],
            price=engine_price(engine, prices),
        )
        for (engine, sample, calls, done), label in zip(asked, names, strict=True)
    ]
    return plan_document(asked[0][0], asked[0][1][0], estimates)
