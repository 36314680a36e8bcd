"""`judge --dry-run`: what judging would ask, how much of it, and what it would cost; nobody is asked."""

from __future__ import annotations

from itertools import islice
from typing import Any

from cityfolk.engines.prices import load_prices
from cityfolk.preferences.judging.llm import STAGE, LLMJudge, judge_name
from cityfolk.preferences.judging.prompts import JUDGE
from cityfolk.preferences.judging.registry import kind_of
from cityfolk.stages.engines import engine_price, labels
from cityfolk.stages.judge import JudgeOptions, judging_engines, recorded_config
from cityfolk.stages.judge_tables import Pool
from cityfolk.stages.plan import counter, estimate_calls, mean_completion, plan_document
from cityfolk.study.folder import JOURNAL, Study
from cityfolk.types import Request
from cityfolk.vocabulary import TRAITS

_SAMPLE = 50  # requests whose tokens are counted
_SCORES = "{" + ", ".join(f'"{trait}": 50' for trait in TRAITS) + "}"


def plan_judge(study: Study, options: JudgeOptions) -> dict[str, Any]:
    """Say what `judge` would do: the first prompt, and for each language model how many calls, tokens and dollars.

    Without a way asked for, an engine is counted as one that reports probabilities: five times the calls, a token
    each. Identical requests count once, those that the journal answers not at all.
    """
    names = list(dict.fromkeys(options.judges))
    engines = judging_engines(options)
    seed = study.seed(options.seed)
    free = [name for name in names if kind_of(name) != "engine"]
    pool = Pool.of(study, options.limit, seed, [*free, *map(judge_name, engines)])
    there = (study.folder / JOURNAL).exists()
    done = study.journal.settled(STAGE)[0] if there else {}
    prices, estimates = load_prices(), []
    first: Request | None = None
    for engine, label in zip(engines, labels(engines), strict=True):
        # Nothing is asked, so the journal is not touched.
        judge = LLMJudge(engine=engine, journal=study.journal if there else None, looks=options.looks, seed=seed)  # type: ignore[arg-type]
        recorded = recorded_config(study, judge.name)
        if options.looks.way == "auto" and recorded is not None:
            judge.settled_way = recorded["way"]
        keys = {int(request.key, 16) for request in judge.requests(pool.everything())}
        sample = list(islice(judge.requests(pool.everything()), _SAMPLE))
        first = first or sample[0]
        expected = sample[0].schema is None
        wrote = mean_completion(study, engine, (STAGE,))
        if wrote is None:
            wrote = (1.0, "one digit") if expected else (counter(engine)[0](_SCORES), "five scores as JSON")
        answered = sum(key in done for key in keys)
        estimates.append(
            estimate_calls(
                engine,
                label,
                JUDGE,
                sample,
                calls=len(keys) - answered,
                answered=answered,
                wrote=wrote[0],
                how=wrote[1],
                price=engine_price(engine, prices),
            )
        )
    if first is None:
        return {"messages": [], "sent": None, "calls": 0, "engines": [], "answers": pool.size, "free": free, "usd": 0.0}
    return plan_document(engines[0], first, estimates) | {"answers": pool.size, "free": free}
