"""The model card of an adapter: what it does, how it came about, what was measured, how to load it, what it is not."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from cityfolk.study.files import write_text
from cityfolk.training.record import Training, read_training
from cityfolk.vocabulary import TRAITS

CARD = "README.md"
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's --max-lora-rank takes
_MEANINGS = (
    ("loss", "loss", "what training minimises; lower is better, and only runs of one objective compare"),
    (
        "accuracy",
        "accuracy",
        "share of pairs whose chosen answer gained more than the rejected one; .5 is chance, a tie counts as wrong",
    ),
    ("margin", "margin", "beta times how much more the chosen answer gained than the rejected one, in nats"),
    ("kl", "KL", "nats a token that the model moved from the base model on these answers; 0 is not at all"),
)
_OBJECTIVES = {
    "dpo": "direct preference optimisation (Rafailov et al. 2023)",
    "dpo-norm": "direct preference optimisation with log-probabilities a token (Lambert et al. 2024)",
    "ipo": "identity preference optimisation (Azar et al. 2024)",
    "ipo-norm": "identity preference optimisation with log-probabilities a token",
    "sft": "imitation of the chosen answers alone (SFT)",
}

_ENDINGS = {
    "steps": "all its steps were made",
    "minutes": "stopped by the clock",
    "patience": "stopped as it got no better",
}


def write_card(folder: Path) -> Path:
    """Write README.md into an adapter's folder from the training's own files; return its path.

    DataError where the folder holds no finished training, StudyError where it cannot be written.
    """
    path = folder / CARD
    write_text(path, card(read_training(folder)))
    return path


def card(training: Training) -> str:
    """Return the card as Markdown with Hugging Face's front matter; the same training gives the same bytes."""
    return _joined(training, use=_use(training))


def merged_card(training: Training, folder: str) -> str:
    """Return the card of a merged model that lies in a folder of this name."""
    return _joined(training, use=_use_merged(folder), merged=True)


def _joined(training: Training, *, use: Iterator[str], merged: bool = False) -> str:
    begin = [_front(training, merged=merged), _what(training, merged=merged)]
    parts = [*begin, _how(training), _measured(training), use, _limits(training)]
    return "\n".join(line for part in parts for line in part)


def percentile(share: float) -> str:
    """Write a percentile from 0 to 1 as an ordinal: .25 is the 25th."""
    number = round(100 * share)
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def reader_title(who: str) -> str:
    """Return what a reader of control is called."""
    return {"rater": "text rater", "grammar": "grammar"}.get(who, who)


def ending(training: Training) -> str:
    """Return why a training stopped, as a clause; "" where nothing is known."""
    return _ENDINGS.get(training.stopped_by, f"stopped by {training.stopped_by}" if training.stopped_by else "")


def objective_title(name: str) -> str:
    """Return what an objective is, in words."""
    return _OBJECTIVES.get(name, name)


def _front(training: Training, *, merged: bool) -> Iterator[str]:
    yield "---"
    if re.fullmatch(r"[\w.-]+/[\w.-]+", training.base):
        yield f"base_model: {training.base}"
    yield f"library_name: {'transformers' if merged else 'peft'}"
    yield "pipeline_tag: text-generation"
    yield from ("language:", "- en")
    if is_pocket(training.model):
        yield "license: mit"
    else:
        yield from ("license: other", "license_name: that-of-the-base-model")
    yield "tags:"
    method = training.objective.partition("-")[0]
    yield from (f"- {word}" for word in ("lora", method, "big-five", "personality", "synthetic", "cityfolk"))
    yield from ("---", "")


def is_pocket(model: str) -> bool:
    """Say whether a model's name is that of the embedded one."""
    return re.match(r"pocket(-\d+)?([:@+].*)?\Z", model) is not None


def _what(training: Training, *, merged: bool) -> Iterator[str]:
    what = f"`{training.base}` with a LoRA adapter merged in." if merged else f"A LoRA adapter for `{training.base}`."
    if training.persona:
        who = training.target_name or training.name
        yield f"# {_plain(training.name)}: answers in the manner of the {_plain(who)}"
        yield ""
        yield (
            f"{what} It answers open questions of everyday life as somebody with this personality might; nothing "
            "about personality needs to stand in the prompt."
        )
    else:
        yield f"# {_plain(training.name)}: answers with the personality that the prompt asks for"
        yield ""
        yield (
            f"{what} The prompt describes a personality in five traits, {_wordings(training)}, and the model answers "
            "accordingly: one adapter for every mixture of traits."
        )
    if training.target is not None:
        yield from ("", "| trait | percentile among adults |", "|---|---|")
        yield from (f"| {t} | {percentile(v)} |" for t, v in zip(TRAITS, training.target, strict=False))
        yield ""
        yield "Percentiles are those of adults on the IPIP-NEO-120."
    yield ""


def _wordings(training: Training) -> str:
    names = [str(name) for name in training.recipe.get("wordings", ())]
    if names in ([], ["levels"]):
        return "each in words of seven levels"
    if len(names) == 1:
        return f"each in the wording `{names[0]}`"
    return f"each in one of the {len(names)} wordings that it was trained on ({', '.join(names)})"


def _how(training: Training) -> Iterator[str]:
    rank, alpha = training.adapter.get("r"), training.adapter.get("lora_alpha")
    targets = training.adapter.get("target_modules")
    knobs = [("beta", training.beta), ("label smoothing", training.label_smoothing or None)]
    if training.objective == "sft":
        knobs = []
    told = "".join(f", {name} {value:g}" for name, value in knobs if value is not None)
    yield from ("## How it was trained", "", "| | |", "|---|---|")
    yield f"| base model | `{training.base}`{f', revision `{training.revision}`' if training.revision else ''} |"
    yield f"| objective | {objective_title(training.objective)}{told} |"
    yield f"| pairs | {training.train_pairs:,} for training, {training.held_out_pairs:,} on topics never trained on |"
    if training.too_long:
        yield f"| left out | {training.too_long:,} pairs that were too long |"
    if rank:
        named = f" on {', '.join(sorted(map(str, targets)))}" if isinstance(targets, list) else ""
        yield f"| adapter | LoRA, rank {rank}, alpha {alpha}{named} |"
    stopped = f"; {_plain(why)}" if (why := ending(training)) else ""
    yield f"| steps | {training.steps:,}, of which step {training.best_step:,} was kept{stopped} |"
    yield f"| cost | {training.tokens:,} tokens in {duration(training.seconds)} |"
    if training.seed is not None:
        yield f"| seed | {training.seed} |"
    if training.versions:
        yield f"| versions | {', '.join(f'{name} {number}' for name, number in sorted(training.versions.items()))} |"
    yield from ("", "`recipe.toml` beside this card holds every setting, `training.jsonl` every step.", "")


def _measured(training: Training) -> Iterator[str]:
    yield from ("## What was measured", "")
    rows = []
    for key, title, meaning in _MEANINGS:
        value = training.last("held-out", key)
        first = training.series("held-out", key)[:1]
        if value is not None:
            began = _figure(first[0][1]) if first and first[0][0] < training.best_step else "–"
            rows.append(f"| {title} | {began} | {_figure(value)} | {meaning} |")
    if rows:
        yield f"On the pairs of held-out topics, first and at the step that was kept ({training.best_step:,}):"
        yield from ("", "| | first | kept | meaning |", "|---|---|---|---|", *rows)
    else:
        yield "No held-out pairs: nothing says how this adapter does on topics that it has not seen."
    yield ""
    yield from _control(training)


def _control(training: Training) -> Iterator[str]:
    measures = ("closed",) if training.persona else ("slope", "spearman")
    columns = [(measure, who, key) for measure in measures for who, key in training.readers(measure)]
    found = {key: {t: training.last("control", f"{key}.{t}") for t in TRAITS} for _, _, key in columns}
    if not any(value is not None for values in found.values() for value in values.values()):
        return
    if training.persona:
        yield (
            "Answers to a few held-out questions were read. Share of the way from how the base model "
            "answers to the target that was closed (1 is all of it, below 0 is further away; – where the base model "
            "was near enough to begin with):"
        )
    else:
        yield (
            "Answers to a few held-out questions under several vectors were read. Slope is how much the trait that is "
            "read rises with the trait that was asked for (1 is perfect, 0 nothing), Spearman how "
            "well their order agrees:"
        )
    heads = (f"{measure}{f', by the {reader_title(who)}' if who else ''}" for measure, who, _ in columns)
    yield from ("", f"| trait | {' | '.join(heads)} |", "|---|" + "---|" * len(columns))
    for trait in TRAITS:
        cells = (f"{value:.2f}" if (value := found[key][trait]) is not None else "–" for _, _, key in columns)
        yield f"| {trait} | {' | '.join(cells)} |"
    yield ""
    if any(who == "grammar" for _, who, _ in columns):
        yield "The grammar is the one that pocket writes in; it knows what its texts mean, and reads no other model's."
        yield ""
    yield from (
        "The step that was kept was chosen with these figures, so they are on the bright side: `cityfolk evaluate DIR "
        "control` measures on answers to held-out questions that had no say in it.",
        "",
    )


def _use(training: Training) -> Iterator[str]:
    pocket, name = is_pocket(training.model), training.name
    shown = "pocket-1" if pocket else training.base
    yield from ("## How to load it", "", "With cityfolk:", "")
    base = "pocket" if pocket else f"hf:{shown}"
    who = _plain(training.target_name) if training.persona else ""
    persona = f" --persona {shlex.quote(who)}" if who else ""
    yield f"    cityfolk answer DIR --engine {base} --engine {base}+DIR/adapters/{name}{persona} --split held-out"
    yield from ("", "With PEFT:", "", "```python")
    if pocket:
        yield "from cityfolk.pocket.arrays import weights_folder"
    yield from ("from peft import PeftModel", "from transformers import AutoModelForCausalLM, AutoTokenizer", "")
    yield f"base = {'str(weights_folder())' if pocket else json.dumps(shown)}"
    yield "tokenizer = AutoTokenizer.from_pretrained(base)"
    adapter = json.dumps(f"adapters/{name}")
    yield f"model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), {adapter})"
    yield from ("```", "", "As a server, under its own name beside the base model:", "")
    if pocket:
        yield f"    cityfolk serve-model --adapter {name}=adapters/{name}"
    else:
        rank = int(training.adapter.get("r") or 0)
        most = next((limit for limit in _RANKS if limit >= rank), rank)
        yield f"    vllm serve {shown} --enable-lora --max-lora-rank {most} --lora-modules {name}=adapters/{name}"
    yield from ("", "Merged into the base model, or for Ollama:", "")
    yield f"    cityfolk export DIR --adapter {name} --merged"
    yield f"    cityfolk export DIR --adapter {name} --ollama"
    yield ""


def _use_merged(folder: str) -> Iterator[str]:
    yield from (
        "## How to load it",
        "",
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
    )
    yield f"tokenizer = AutoTokenizer.from_pretrained({json.dumps(folder)})"
    yield f"model = AutoModelForCausalLM.from_pretrained({json.dumps(folder)})"
    yield from ("```", "", f"    cityfolk doctor --engine hf:{folder}", "")


def _limits(training: Training) -> Iterator[str]:
    yield from ("## Limits", "")
    yield (
        "- It expresses a personality and has none: expressed is not felt. Readings are of style in a few sentences."
    )
    yield (
        "- It learned from pairs that judges chose. Where they were wrong, it is wrong in the same way, and a rater of "
        "the same kind will not notice."
    )
    if is_pocket(training.model):
        yield (
            "- The base model is the small demonstration model of cityfolk: its texts follow a grammar, and figures "
            "about it say little about large models."
        )
    yield "- Tuning towards a personality can cost knowledge and caution: measure both before you rely on either."
    yield "- Do not use it to pass as a person, to deceive, or to judge anybody's personality."
    if not is_pocket(training.model):
        yield f"- The licence of `{training.base}` binds whoever uses this."
    yield ""


def _figure(value: float) -> str:
    return f"{value:.3f}".replace("-0.000", "0.000")


def _plain(text: str) -> str:
    return re.sub(r"[\s|<>`]+", " ", text).strip()
