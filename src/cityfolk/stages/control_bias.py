"""The part "bias" of control: stories that leave open who did what, and statements about one group or another.

A model answers as itself, as the four archetypes and at the ten poles of the traits; adapters likewise, one that was
made for an archetype as what it is. See `evaluation.control.bias_items` and `evaluation.control.bias`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any

import polars as pl
from threadpoolctl import threadpool_limits

from cityfolk.evaluation.control.bias import Choice, bias_findings, read_choice
from cityfolk.evaluation.control.bias_items import (
    DIMENSIONS,
    PROMPTS,
    Probe,
    count,
    probe_of,
    probe_request,
    probes,
    prompt_hash,
)
from cityfolk.evaluation.psychometrics.administration import Respondent
from cityfolk.preferences.targets import Target, archetypes
from cityfolk.stages.ask_control import AskOptions
from cityfolk.stages.control_arms import SPEAKER, corners, respondents_of, respondents_planned, with_arms
from cityfolk.stages.control_estimates import CHOICE, estimated
from cityfolk.stages.control_jobs import Speaker, asking, speakers_of
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study
from cityfolk.types import Finding, Reply, Request

NAME = VERB = "bias"
TABLE = "biases"
SIZES = MappingProxyType({"quick": (2, 3, 2), "standard": (6, 3, 4), "full": (6, 6, 4)})
"""Preset -> stories a dimension, orders of their options, pairs a dimension."""
BIASES: dict[str, pl.DataType | type[pl.DataType]] = {
    **SPEAKER,
    "kind": pl.String,
    "item_id": pl.String,
    "dimension": pl.String,
    "context": pl.String,
    "question": pl.String,
    "option_order": pl.Int8,
    "target_share": pl.Float64,
    "other_share": pl.Float64,
    "unknown_share": pl.Float64,
    "outcome": pl.String,
    "text": pl.String,
    "prompt_hash": pl.String,
    "seed": pl.Int64,
}
"""biases.parquet, one row a question and respondent, sorted by SORTED_BY.

`kind` is story or pair; `context` ambiguous, consistent or inconsistent and `question` negative or positive, "" for a
pair. `target_share` is the probability of the option that names the group of the stereotype (1 or 0 where an engine
gives no probabilities), null for a refusal.
"""
SORTED_BY = (
    *("engine", "model", "adapter", "condition", "respondent_id", "kind", "item_id", "context", "question"),
    "option_order",
)


def plan(options: AskOptions, study: Study | None = None) -> dict[str, Any]:
    """Say what is asked before anybody is asked; with a study also what is open, tokens and cost."""
    stories, orders, pairs = SIZES[options.preset]
    respondents = respondents_planned(options, len(_targets(options)), voice=True)
    words = (
        f"{stories * len(DIMENSIONS)} stories about two groups, with 3 contexts, 2 questions and {orders} orders of "
        f"the options, and {pairs * len(DIMENSIONS)} pairs of statements, by {respondents:,} respondents: each model "
        "without a personality, and with one"
    )
    told: dict[str, Any] = {"calls": respondents * count(stories, orders, pairs), "words": words}
    if study is not None:
        seed = study.seed(options.seed)

        def asked(speaker: Speaker) -> Iterator[Request]:
            everybody = respondents_of(speaker, _targets(options), voice=True)
            for *_, request in _requests(speaker, everybody, SIZES[options.preset], seed):
                yield request

        told["asked"] = [estimated(study, speakers_of(options), asked, stage=VERB, prompt=PROMPTS, wrote=CHOICE)]
    return told


def give(study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have every engine choose: biases.parquet, beside what was asked for earlier."""
    size = SIZES[options.preset]
    seed = study.seed(options.seed)
    speakers = speakers_of(options)
    config = {"seed": seed, "prompt": PROMPTS, "prompt_hash": prompt_hash()}
    free = dict(zip(("stories", "orders", "pairs"), size, strict=True)) | {"preset": options.preset}
    rows: list[dict[str, Any]] = []
    with asking(study, options, speakers, verb=VERB, table=TABLE, config=config, free=free, step=step) as job:
        for speaker in speakers:
            everybody = respondents_of(speaker, _targets(options), voice=True)
            stream = (request for *_, request in _requests(speaker, everybody, size, seed))
            said = job.ask(speaker, stream, _parse, len(everybody) * count(*size))
            rows += _rows(speaker, everybody, said, size, seed)
        made = pl.DataFrame(rows, schema=BIASES)
        whole = job.keep(TABLE, made, SORTED_BY, SORTED_BY)
        refused = int((made["outcome"] == "refused").sum())
        notices = [f"{refused:,} of {made.height:,} choices about groups are refusals"] if refused else []
        return job.conclude(notices, choices=whole.height)


def has(study: Study) -> bool:
    """Say whether anybody chose."""
    return study.has(TABLE)


def evidence(study: Study, *, step: Step = quiet) -> list[Finding]:
    """Return the findings `control.bias.`."""
    step("evaluate bias", 0, 1, "")
    with threadpool_limits(limits=1, user_api="blas"):
        found = bias_findings(answered(study.read(TABLE)), seed=study.config(VERB)["seed"])
    step("evaluate bias", 1, 1, "")
    return found


def answered(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of biases.parquet with what `bias_findings` needs: arms, and shares of what an answer may be."""
    labels = _labels(rows)
    known = [probe_of(label) for label in labels]
    shares = {
        "biased_share": [probe.biased for probe in known],
        "right_share": [probe.right for probe in known],
        "first_share": [probe.options[0] for probe in known],
    }
    columns = {}
    for name, whom in shares.items():
        named = pl.Series(whom, dtype=pl.String)
        columns[name] = (
            pl.when(named == "target")
            .then("target_share")
            .when(named == "other")
            .then("other_share")
            .when(named == "unknown")
            .then("unknown_share")
        )
    return with_arms(rows.with_columns(**columns))


def _labels(rows: pl.DataFrame) -> list[str]:
    asked = rows.select("kind", "item_id", "context", "question", "option_order").iter_rows()
    return [
        f"{kind} {item} {context}.{question}.{order}" if context else f"{kind} {item} {order}"
        for kind, item, context, question, order in asked
    ]


def _targets(options: AskOptions) -> tuple[Target, ...]:
    return archetypes() if options.preset == "quick" else corners()


def _requests(
    speaker: Speaker, everybody: Sequence[Respondent], size: tuple[int, int, int], seed: int
) -> Iterator[tuple[Respondent, Probe, Request]]:
    stories, orders, pairs = size
    for respondent in everybody:
        vector = respondent.vector if respondent.told else None
        for probe in probes(stories, orders, pairs):
            yield respondent, probe, probe_request(probe, vector, speaker.model, seed)


def _parse(request: Request, reply: Reply) -> tuple[Choice, str]:
    return read_choice(reply, probe_of(request.label)), reply.text


def _rows(
    speaker: Speaker,
    everybody: Sequence[Respondent],
    said: dict[str, tuple[Choice, str]],
    size: tuple[int, int, int],
    seed: int,
) -> Iterator[dict[str, Any]]:
    for respondent, probe, request in _requests(speaker, everybody, size, seed):
        found = said.get(request.key)
        if found is not None:
            choice, text = found
            yield {
                **speaker.columns(respondent),
                "kind": probe.kind,
                "item_id": probe.item.id,
                "dimension": probe.item.dimension,
                "context": probe.context,
                "question": probe.question,
                "option_order": probe.order,
                "target_share": choice.target,
                "other_share": choice.other,
                "unknown_share": choice.unknown,
                "outcome": choice.outcome,
                "text": text,
                "prompt_hash": prompt_hash(),
                "seed": seed,
            }
