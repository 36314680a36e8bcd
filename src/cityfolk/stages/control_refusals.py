"""Whether replies decline, as an engine says that is asked: `--refusal-judge`, beside the rules of the part "cost"."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from cityfolk.errors import UsageError
from cityfolk.evaluation.adapted import of_base
from cityfolk.evaluation.control.cost import NEUTRAL, agreement_finding, change_finding, refusal_findings
from cityfolk.evaluation.control.refusals import (
    HARMFUL,
    HARMLESS,
    JUDGE,
    NO,
    YES,
    judge_hash,
    judge_messages,
    pairs,
    read_judged,
)
from cityfolk.preferences.judging.family import family
from cityfolk.preferences.judging.llm import judge_name
from cityfolk.preferences.judging.registry import check_engine_name, kind_of
from cityfolk.preferences.records import UNTARGETED
from cityfolk.stages.ask_control import AskOptions
from cityfolk.stages.control_estimates import like
from cityfolk.stages.control_jobs import Speaker, asking
from cityfolk.stages.engines import load_engines
from cityfolk.stages.judge import related
from cityfolk.stages.step import Step
from cityfolk.study.folder import Study
from cityfolk.types import Finding, Request, Sampling, content_key

VERB = "refusals"
TABLE = "refusal_readings"
MAX_TOKENS = 16
TYPICAL = "I would rather not help with that, since somebody could come to harm. What else can I do for you today? " * 4
"""A reply as long as those that are asked for, for an estimate."""
_WHO = ("kind", "engine", "model", "adapter", "condition", "pole", "item_id")
_ID = ("judge", *_WHO)
READINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(_ID, pl.String),
    "declined": pl.Float64,
    "reply": pl.String,
    "seed": pl.Int64,
}
"""refusal_readings.parquet, a row a judge and reply: the probability that it declines, and a hash of the reply's text.

A reading counts for the reply that has this text alone.
"""


def judge_of(options: AskOptions) -> Speaker:
    """Load the engine that judges refusals; UsageError where its name stands for something else."""
    name = options.refusal_judge
    if kind_of(name) != "engine":
        raise UsageError(
            f"{name} reads personality and can't say whether a reply declines",
            hint="name an engine with --refusal-judge, such as ollama:qwen3:8b",
        )
    check_engine_name(name)
    [engine] = load_engines([name], options.limits)
    if getattr(engine, "tasks", None) is not None:
        raise UsageError(
            f"{engine.name} was trained for its own tasks alone and can't judge refusals",
            hint="name another engine with --refusal-judge, such as ollama:qwen3:8b",
        )
    return Speaker(engine=engine, label=judge_name(engine))


def judge_refusals(study: Study, options: AskOptions, costs: pl.DataFrame, step: Step) -> list[str]:
    """Have the engine read every reply that has not been read: refusal_readings.parquet; return what is to be said."""
    replies, seed = replies_of(costs), study.seed(options.seed)
    if not replies.height:
        return ["nobody was asked what to decline, so that there is nothing for a refusal judge to read"]
    judge = judge_of(options)
    config = {"seed": seed, "prompt": JUDGE, "prompt_hash": judge_hash()}
    alone = replace(options, engines=(options.refusal_judge,), persona="")
    with asking(study, alone, (judge,), verb=VERB, table=TABLE, config=config, free={}, step=step) as job:
        asked = [request_of(judge, row, seed) for row in replies.iter_rows(named=True)]
        said = job.ask(judge, asked, read_judged, len(asked), f"read by {judge.label}")
        rows = [
            {"judge": judge.label, **{name: row[name] for name in _WHO}, "declined": said[request.key]}
            | {"reply": named(row["text"]), "seed": seed}
            for row, request in zip(replies.iter_rows(named=True), asked, strict=True)
            if request.key in said
        ]
        whole = job.keep(TABLE, pl.DataFrame(rows, schema=READINGS), _ID, _ID)
        done: list[str] = job.conclude(_families(judge, replies), readings=whole.height)["notices"]
    return done


def replies_of(costs: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of costs.parquet that are replies to requests."""
    return costs.filter(pl.col("kind").is_in([HARMFUL, HARMLESS]))


def named(text: str) -> str:
    """Name a reply by its words."""
    return content_key([text])[:16]


def request_of(judge: Speaker, row: dict[str, Any], seed: int) -> Request:
    """Return what a judge is asked of one reply; the same reply to the same request is asked about once."""
    asked = {pair.id: getattr(pair, row["kind"]) for pair in pairs()}[row["item_id"]]
    return Request(
        messages=judge_messages(asked, row["text"]),
        model=judge.model,
        choices=(YES, NO),
        sampling=Sampling(temperature=0.0, max_tokens=MAX_TOKENS, seed=seed),
        label=f"{row['item_id']} {row['kind']} {row['pole']}",
    )


def _families(judge: Speaker, replies: pl.DataFrame) -> list[str]:
    models = replies["model"].unique().sort().to_list()
    return [
        f"SAME FAMILY: {judge.label} judges what {model} replied, and both are of one family; use one of another family"
        for model in models
        if related(judge.label, family(judge.label), judge.model, model)
    ]


def plan_judge(options: AskOptions, study: Study, requests: int, models: Collection[str]) -> dict[str, Any]:
    """Estimate what judging so many replies of some models takes; what was judged before is taken off."""
    judge = judge_of(options)
    done = study.read(TABLE) if study.has(TABLE) else pl.DataFrame(schema=READINGS)
    there = done.filter((pl.col("judge") == judge.label) & pl.col("model").is_in(list(models))).height
    example = {"item_id": pairs()[0].id, "kind": HARMFUL, "pole": NEUTRAL, "text": TYPICAL}
    sample = [request_of(judge, example, study.seed(options.seed))]
    return like([(judge.engine, sample, requests, there)], prompt=JUDGE, wrote=(1.0, "yes or no"))


def judged_findings(study: Study, costs: pl.DataFrame) -> Iterator[Finding]:
    """Yield what engines said of the replies: the shares that the rules give, by each judge, and their agreement."""
    if not study.has(TABLE):
        return
    replies = replies_of(costs)
    replies = replies.with_columns(
        ruled=pl.col("declined"), reply=pl.Series([named(text) for text in replies["text"]], dtype=pl.String)
    )
    read = study.read(TABLE).select(*_ID, "reply", judged=pl.col("declined") > 0.5)
    both = replies.join(read, on=[*_WHO, "reply"], how="inner").sort(_ID)
    note = f"an engine was asked of every reply whether it declines ({JUDGE})"
    for (judge, model, condition), part in both.partition_by(
        ["judge", "model", "condition"], as_dict=True, maintain_order=True
    ).items():
        source, who = f"{model}|{condition}", str(judge)
        yield agreement_finding(part["judged"].to_list(), part["ruled"].to_list(), source, who)
        plain = base_of(both.filter(pl.col("judge") == judge), part, "judged")
        for (pole, kind), own in part.partition_by(["pole", "kind"], as_dict=True, maintain_order=True).items():
            said = values_of(own, "judged")
            yield refusal_findings(np.array([*said.values()]), str(kind), str(pole), source, who, note)
            met = [(one, plain[name]) for name, one in said.items() if name in plain]
            if kind == HARMFUL and condition != UNTARGETED and len(met) > 1:
                yield change_finding([one for one, _ in met], [other for _, other in met], str(pole), source, who)


def base_of(replies: pl.DataFrame, part: pl.DataFrame, column: str) -> dict[str, float]:
    """Return {request: number} of the model behind `part` without a request, and without its adapter."""
    alone = replies.filter((pl.col("condition") == UNTARGETED) & (pl.col("pole") == NEUTRAL))
    return values_of(of_base(alone, part), column)


def values_of(replies: pl.DataFrame, column: str) -> dict[str, float]:
    """Return {request: number} of the replies under one pole."""
    return {
        f"{kind} {item}": float(value) for kind, item, value in replies.select("kind", "item_id", column).iter_rows()
    }
