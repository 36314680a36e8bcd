"""Pairs as Hugging Face datasets in TRL's conversational preference format, one folder for each, with a card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cityfolk.errors import DataError
from cityfolk.preferences.prompts import answer_messages
from cityfolk.preferences.records import TARGET_COLUMNS
from cityfolk.study.files import write_text, write_whole
from cityfolk.types import BigFive
from cityfolk.vocabulary import TRAITS

SPLITS = {"train": "train", "held-out": "test"}
"""The split of a question's topic, and what it is called in the dataset."""
_TURN = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "prompt": _TURN,
    "chosen": _TURN,
    "rejected": _TURN,
    "question_id": pl.String,
    "topic": pl.String,
    "target_name": pl.String,
    **dict.fromkeys(TARGET_COLUMNS, pl.Float64),
    "strategy": pl.String,
    "margin": pl.Float64,
    "chosen_id": pl.String,
    "rejected_id": pl.String,
    "judges": pl.List(pl.String),
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**9, "1M<n<10M"))
_MEANING = {
    "prompt": "the conversation that asks the question, as a list of role and content",
    "chosen": "the answer nearer to the target, one turn of the assistant",
    "rejected": "the answer farther from it, one turn of the assistant",
    "question_id": "the question",
    "topic": "its topic; all questions of a topic are in one split",
    "target_name": "the personality that was asked for",
    "target_*": "its five percentiles among adults (IPIP-NEO-120), 0 to 1",
    "strategy": "how the rejected answer was found",
    "margin": "distance of rejected minus distance of chosen, in standard deviations",
    "chosen_id, rejected_id": "the answers in the study that the pairs were made in",
    "judges": "whose readings count in this pair",
}
_NO_FAMILY = ("rater", "lexicon", "grammar")
_STRATEGY = {
    "farthest": "the farthest other answer made under the same target",
    "nearest-wrong": "an answer made under another target that is near but differs mainly in one trait",
    "base": "an answer of the same model made without any target",
}


@dataclass(frozen=True, kw_only=True)
class PreferenceInputs:
    """What an export of pairs is made from: the study's tables, its pairs by name, and what `pair` said of each."""

    questions: pl.DataFrame
    answers: pl.DataFrame
    readings: pl.DataFrame
    pairs: Mapping[str, pl.DataFrame]
    made: Mapping[str, Mapping[str, Any]]
    version: str = ""


def export_preferences(inputs: PreferenceInputs, to: Path) -> list[Path]:
    """Write each set of pairs under to/hf-pairs/NAME: a Parquet file a split and a README.md; return the files.

    Splits are by topic. Raises DataError where a pair's answer or question is not in the tables.
    """
    files: list[Path] = []
    for name, pairs in inputs.pairs.items():
        folder = to / "hf-pairs" / name
        rows = preference_rows(inputs, pairs)
        splits = {}
        for split, called in SPLITS.items():
            part = rows.filter(pl.col("split") == split).drop("split")
            path = folder / "data" / f"{called}.parquet"
            if not part.height:
                path.unlink(missing_ok=True)
                continue
            splits[called] = part.height
            write_whole(path, lambda temporary, part=part: part.write_parquet(temporary, compression="zstd"))  # type: ignore[misc]
            files.append(path)
        write_text(folder / "README.md", card(inputs, name, pairs, splits))
        files.append(folder / "README.md")
    return files


def asks_for_vector(pairs: pl.DataFrame) -> bool:
    """Say whether prompts hold the personality in words: pairs of one target train a model that has it unasked."""
    return pairs.select("target_name", *TARGET_COLUMNS).n_unique() > 1


def preference_rows(inputs: PreferenceInputs, pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a dataset (COLUMNS and `split`), in the order of the pairs."""
    text = dict(inputs.answers.select("answer_id", "text").iter_rows())
    asked = dict(inputs.questions.select("question_id", "text").iter_rows())
    vector = asks_for_vector(pairs)
    rows = []
    for pair in pairs.iter_rows(named=True):
        missing = [pair[c] for c in ("chosen_id", "rejected_id") if pair[c] not in text]
        missing += [pair["question_id"]] * (pair["question_id"] not in asked)
        if missing:
            raise DataError(f"{missing[0]} of a pair is not there", hint="make the pairs again with `cityfolk pair`")
        target = BigFive(**{trait: pair[f"target_{trait}"] for trait in TRAITS}) if vector else None
        messages = answer_messages(asked[pair["question_id"]], target)
        rows.append(
            {
                **{name: pair[name] for name in (*COLUMNS, "split") if name in pair},
                "prompt": [{"role": message.role, "content": message.content} for message in messages],
                "chosen": [{"role": "assistant", "content": text[pair["chosen_id"]]}],
                "rejected": [{"role": "assistant", "content": text[pair["rejected_id"]]}],
            }
        )
    return pl.DataFrame(rows, schema={**COLUMNS, "split": pl.String})


def card(inputs: PreferenceInputs, name: str, pairs: pl.DataFrame, splits: Mapping[str, int]) -> str:
    """Return the dataset card: YAML front matter, what it is, how it was made, by whom judged, limits, licence."""
    own = inputs.answers.filter(pl.col("answer_id").is_in([*pairs["chosen_id"], *pairs["rejected_id"]]))
    models = sorted(set(own["model"].to_list()))
    parts = [
        *_front(name, pairs.height, splits, models),
        f"# Personality preferences: {name}",
        "",
        f"{pairs.height:,} pairs of answers to {pairs['question_id'].n_unique():,} open questions "
        f"(topics: {pairs['topic'].n_unique():,}). Of two answers to one question the chosen one comes nearer to the "
        "personality that was asked for. All of it was written by language models: nobody in these texts is real.",
        "",
        *_use(pairs),
        *_making(inputs, pairs, models, inputs.made.get(name, {})),
        *_coverage(pairs, splits),
        "## Limits",
        "",
        "- Judges read what a text expresses. That is not what a person who writes so would score on a questionnaire.",
        "- Personality here is five numbers; the answers hold a model's idea of what goes with them, stereotypes "
        "included.",
        "- Use it to study and to steer models. Do not use it to judge people, or to make a model pass for a person.",
        "",
        "## Licence",
        "",
        _licence(models),
        "",
        "## Columns",
        "",
        *(f"- `{column}`: {meaning}" for column, meaning in _MEANING.items()),
    ]
    return "\n".join(parts) + "\n"


def _front(name: str, size: int, splits: Mapping[str, int], models: Sequence[str]) -> list[str]:
    lines = [
        "---",
        f"pretty_name: {json.dumps(f'Personality preferences: {name}', ensure_ascii=False)}",
        "language:\n- en",
        f"license: {'mit' if _is_ours(models) else 'other'}",
        "annotations_creators:\n- machine-generated",
        f"size_categories:\n- {next(called for bound, called in _SIZES if size < bound)}",
        "task_categories:\n- text-generation",
        "tags:",
        *(f"- {tag}" for tag in ("synthetic", "preference", "dpo", "trl", "big-five", "personality")),
        "configs:\n- config_name: default\n  data_files:",
    ]
    lines += [f"  - split: {split}\n    path: data/{split}.parquet" for split in splits]
    return [*lines, "---", ""]


def _use(pairs: pl.DataFrame) -> list[str]:
    held = (
        "The prompt holds the personality in words, so that a model learns to follow it."
        if asks_for_vector(pairs)
        else "The prompt holds the question alone, so that a model learns to answer with this personality unasked."
    )
    return [
        "## Use",
        "",
        f"`prompt`, `chosen` and `rejected` are lists of messages, as TRL's `DPOTrainer` takes them. {held}",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        'data = load_dataset("THIS_FOLDER")',
        "```",
        "",
    ]


def _making(inputs: PreferenceInputs, pairs: pl.DataFrame, models: Sequence[str], made: Mapping[str, Any]) -> list[str]:
    judges = sorted({judge for names in pairs["judges"].to_list() for judge in names})
    own = inputs.readings.filter(pl.col("judge").is_in(judges))
    instruments = dict(own.select("judge", "instrument").unique().sort("judge").iter_rows())
    partial = own.filter(pl.col("same_family").fill_null(False))["judge"].unique().sort().to_list()
    apart = pl.col("judge").is_in(_NO_FAMILY) | pl.col("judge").str.starts_with("people:")
    unknown = own.filter(pl.col("same_family").is_null() & ~apart)["judge"].unique().sort().to_list()
    config, facts = made.get("config", {}), made.get("facts", {})
    lines = ["## How it was made", "", f"- Answers: {', '.join(models)}, with cityfolk {inputs.version}".rstrip() + "."]
    for judge in judges:
        scale = facts.get("scales", {}).get(judge, "")
        lines.append(f"- Judge: {judge} ({instruments.get(judge, '')}{'; ' + scale if scale else ''}).")
    if partial:
        lines.append(
            f"- **Warning: {', '.join(partial)} judged answers of a model of its own family.** Such a judge is partial "
            "to the style of its family; hold these pairs against a judge of another one."
        )
    if unknown:
        lines.append(f"- Not known whether of the generator's family: {', '.join(unknown)}.")
    lines.append(
        f"- Distance: {facts.get('distance', 'Mahalanobis of z-scores')}, between the target and the mean of the "
        "judges' readings. Chosen is the nearest answer made under the target."
    )
    for strategy, count in sorted(Counter(pairs["strategy"].to_list()).items()):
        lines.append(f"- Rejected, `{strategy}` ({count:,} pairs): {_STRATEGY.get(strategy, strategy)}.")
    if config:
        lines.append(
            f"- Required: a margin of {config['margin']:g}; {config['judges']} judges who agree; neither answer more "
            f"than {config['ratio']:g} times as long as the other; an answer rejected at most {config['reuse']} times."
        )
    if config.get("balance"):
        rules = config["balance"]
        lines.append(
            f"- Balanced: the commoner direction of a trait has at most {rules['tilt']:g} times the pairs of the "
            f"rarer, no corner or target more than {rules['spread']:g} times the mean of those that could be."
        )
    ratio = facts.get("words_ratio")
    if ratio is not None:
        lines.append(f"- Chosen answers have {ratio:.2f} times the words of rejected ones (geometric mean).")
    return [*lines, ""]


def _coverage(pairs: pl.DataFrame, splits: Mapping[str, int]) -> list[str]:
    lines = ["## What it covers", "", "| split | pairs |", "|---|---|"]
    lines += [f"| {split} | {count:,} |" for split, count in splits.items()]
    lines += ["", "Splits are by topic: no topic is in both.", "", "| trait | pairs asking for low | for high |"]
    lines.append("|---|---|---|")
    for trait in TRAITS:
        values = pairs[f"target_{trait}"]
        lines.append(f"| {trait} | {int((values < 0.5).sum()):,} | {int((values > 0.5).sum()):,} |")
    return [*lines, ""]


def _is_ours(models: Sequence[str]) -> bool:
    return all(model.split(":", 1)[0].startswith("pocket") for model in models)


def _licence(models: Sequence[str]) -> str:
    if _is_ours(models):
        return "MIT: the texts were written by the model that ships with cityfolk."
    return (
        f"The texts were written by {', '.join(models)}: the terms of that model's maker for what it writes apply. Put "
        "the licence that follows from them into the front matter before you publish."
    )
