"""The page of one training: curves, control by trait, samples before and after, recipe, cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cityfolk.reports.charts import key
from cityfolk.reports.html import Html, Node, bidi, join, page, table, tag
from cityfolk.reports.page import WITHOUT_SCRIPT, asset, navigation
from cityfolk.reports.training_charts import control_cards, curve_cards, number
from cityfolk.study.files import write_text
from cityfolk.training.card import duration, ending, objective_title, percentile, reader_title
from cityfolk.training.record import Training, read_training
from cityfolk.vocabulary import TRAITS

PAGE = "training.html"
_MOST_SAMPLES = 60


def write_training_page(folder: Path) -> Path:
    """Write training.html into an adapter's folder from the training's own files; return its path.

    DataError where the folder holds no finished training, StudyError where the page cannot be written.
    """
    path = folder / PAGE
    write_text(path, build_training_page(read_training(folder)))
    return path


def build_training_page(training: Training, *, title: str = "") -> str:
    """Return the whole page as HTML; nothing in it comes from the network, and no text of a model becomes markup."""
    heading = title or training.name
    found: list[tuple[str, str, Node]] = [("curves", "Learning", _curves(training))]
    control = [one for one in control_cards(training) if one is not None]
    found.append(("control", "Control", _control(training, control)))
    found.append(("samples", "Before and after", _samples(training)))
    found.append(("recipe", "Recipe and cost", _recipe(training)))
    found.append(("limits", "Limits", _limits(training)))
    body = join(
        tag("a", "Skip to the content", href="#curves", class_="skip"),
        _hero(training, heading),
        navigation([(name, words) for name, words, _ in found]),
        tag("main", (tag("section", tag("div", content, class_="wrap"), id=name) for name, _, content in found)),
        tag("footer", tag("div", tag("p", _last(training)), class_="wrap")),
    )
    return page(
        f"{heading}: how it was trained",
        body,
        style=asset("report.css"),
        script=asset("report.js"),
        without_script=WITHOUT_SCRIPT,
    )


def _hero(training: Training, heading: str) -> Html:
    who = (
        f"A LoRA adapter for {training.base} that answers in the manner of the {training.target_name or heading}."
        if training.persona
        else f"A LoRA adapter for {training.base} that answers with the personality that the prompt asks for."
    )
    words = tag(
        "div",
        tag("p", "An adapter and how it was trained", class_="eyebrow"),
        tag("h1", bidi(heading)),
        tag("p", who, class_="lead"),
        tag("ul", _tiles(training), class_="tiles"),
    )
    return tag("header", tag("div", words, _target(training), class_="wrap"), class_="hero")


def _tiles(training: Training) -> Iterator[Html]:
    yield _tile(f"{training.train_pairs:,}", "pairs to learn from", f"{training.held_out_pairs:,} held out")
    accuracy = training.last("held-out", "accuracy")
    if accuracy is not None:
        yield _tile(f"{100 * accuracy:.0f}%", "of held-out pairs in the right order", "half is chance")
    told, words, beside = _control_in_one(training)
    if told:
        yield _tile(told, words, beside)
    speed = f"{training.tokens / training.seconds:,.0f} tokens a second" if training.seconds > 0 else ""
    yield _tile(duration(training.seconds), f"for {training.tokens:,} tokens", speed)


def _control_in_one(training: Training) -> tuple[str, str, str]:
    if training.persona:
        closed = [v for t in TRAITS if (v := training.last("control", f"closed.{t}")) is not None]
        if closed:
            worst = f"worst trait {100 * min(closed):.0f}%".replace("-", "−")
            return f"{100 * sum(closed) / len(closed):.0f}%", "of the way to the target, mean of traits", worst
    else:
        slopes = [v for t in TRAITS if (v := training.last("control", f"slope.{t}")) is not None]
        if slopes:
            between = f"{min(slopes):.2f} to {max(slopes):.2f} by trait".replace("-", "−")
            return f"{sum(slopes) / len(slopes):.2f}", "slope of read on asked for, 1 is perfect", between
    return "", "", ""


def _tile(value: str, words: str, beside: str = "") -> Html:
    return tag("li", tag("b", value), tag("span", words), tag("small", beside) if beside else None, class_="tile")


def _target(training: Training) -> Html | None:
    if training.target is None:
        return None
    bars = []
    for trait, value in zip(TRAITS, training.target, strict=False):
        where = f"{percentile(value)} percentile"
        bar = tag("span", tag("i", style=f"--p:{value:.3f}"), class_="bar", role="img", aria_label=f"{trait}: {where}")
        bars.append(tag("div", tag("span", trait.capitalize()), bar, tag("span", percentile(value)), class_="trait"))
    return tag(
        "div",
        tag("h2", "The target"),
        tag("div", bars, class_="traits"),
        tag(
            "p",
            tag("small", "Percentiles among adults, IPIP-NEO-120. The line in the middle is the median."),
            class_="spaced",
        ),
        class_="card",
    )


def _curves(training: Training) -> Html:
    cards = [one for one in curve_cards(training) if one is not None]
    if not cards:
        return join(tag("h2", "Learning"), tag("p", "No step of this training was kept in its folder.", class_="lead"))
    ended = f" The end: {why}." if (why := ending(training)) else ""
    return join(
        tag("h2", "Learning"),
        tag(
            "p",
            f"{training.steps:,} steps; the weights of step {training.best_step:,} were kept.{ended} Held-out pairs "
            "are on topics that were never trained on.",
            class_="lead",
        ),
        tag("div", cards, class_="grid two"),
    )


def _control(training: Training, cards: list[Html]) -> Html:
    if not cards:
        words = "Control was not measured while this adapter was trained."
        return join(tag("h2", "Control"), tag("p", words, class_="lead"))
    return join(
        tag("h2", "Control"),
        tag(
            "p",
            "Now and then the adapter answered a few held-out questions, and the answers were read. These "
            "figures helped to choose the step that was kept, so they are on the bright side; judge the adapter by "
            "answers that had no say.",
            class_="lead",
        ),
        tag("div", _moved(training), cards, _kept(training), class_="grid two"),
    )


def _kept(training: Training) -> Html:
    measures = ("closed",) if training.persona else ("slope", "spearman")
    columns = [(measure, who, key_) for measure in measures for who, key_ in training.readers(measure)]
    titles = {"closed": "way closed", "slope": "slope", "spearman": "rank correlation"}
    rows: list[tuple[Node, ...]] = []
    for place, trait in enumerate(TRAITS):
        asked = () if training.target is None else (percentile(training.target[place]),)
        values = [(training.last("control", f"{key_}.{trait}"), measure) for measure, _, key_ in columns]
        rows.append((trait.capitalize(), *asked, *(_written(value, measure) for value, measure in values)))
    told = (f"{titles[measure]}{f', {reader_title(who)}' if who else ''}" for measure, who, _ in columns)
    heads = ("trait", *(("target",) if training.target is not None else ()), *told)
    score = training.last("control", "score")
    return tag(
        "div",
        tag("h3", f"At step {training.best_step:,}, which was kept"),
        table(heads, rows, caption="By trait", numeric=range(1, len(heads))),
        tag("p", f"Score by which steps were compared: {number(score)}.", class_="soft") if score is not None else None,
        class_="card",
    )


def _written(value: float | None, measure: str) -> str:
    return f"{100 * value:.0f}%".replace("-", "−") if value is not None and measure == "closed" else number(value)


def _moved(training: Training) -> Html | None:
    """Return where the answers are read to be, before and after, beside the target; by the grammar if it could."""
    readers = dict(training.readers("read"))
    who = "grammar" if "grammar" in readers else next(iter(readers), None)
    if who is None or training.target is None:
        return None
    bars = []
    for trait, asked in zip(TRAITS, training.target, strict=False):
        series = training.series("control", f"{readers[who]}.{trait}")
        after = training.last("control", f"{readers[who]}.{trait}")
        if not series or after is None:
            continue
        before = series[0][1]
        told = f"{trait}: target {100 * asked:.0f}, before {100 * before:.0f}, after {100 * after:.0f}"
        marks = (("asked", asked), ("rejected", before), ("chosen", after))
        dots = [tag("i", class_=name, style=f"--p:{min(max(value, 0.0), 1.0):.3f}") for name, value in marks]
        bar = tag("span", dots, class_="bar", role="img", aria_label=told, title=told)
        bars.append(tag("div", tag("span", trait.capitalize()), bar, tag("span", f"{100 * after:.0f}"), class_="trait"))
    return tag(
        "div",
        tag("h3", f"Where the answers are, by the {reader_title(who)}"),
        key(("ink", "tick", "target"), ("c3", "dot", "before"), ("c1", "dot", "after")),
        tag("div", bars, class_="traits read"),
        tag("p", "Percentiles among adults. " + _caution(who), class_="soft"),
        class_="card",
    )


def _caution(who: str) -> str:
    if who == "grammar":
        return "The grammar is the one that pocket writes in, and it knows what its texts mean."
    return "A rater of single texts reads extremes as less extreme than they are."


def _samples(training: Training) -> Html:
    by: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for one in training.samples:
        place = str(one.get("target_name") or ""), str(one.get("question") or "")
        by.setdefault(place, {})[str(one.get("when") or "")] = one
    if not by:
        return join(tag("h2", "Before and after"), tag("p", "No samples were kept.", class_="lead"))
    shown = list(by.items())[:_MOST_SAMPLES]
    leaves = [_leaf(training, place, sides, number, len(shown)) for number, (place, sides) in enumerate(shown, start=1)]
    pager = tag(
        "div",
        tag("button", "← Back", type="button", class_="button"),
        tag("output", f"1 of {len(shown)}", class_="soft"),
        tag("button", "Next →", type="button", class_="button"),
        class_="pager",
    )
    return join(
        tag("h2", "Before and after"),
        tag("p", "The same held-out questions to the base model and to the model with its adapter.", class_="lead"),
        tag("div", pager, leaves, class_="card spaced leaves"),
    )


def _leaf(
    training: Training, place: tuple[str, str], sides: Mapping[str, Mapping[str, Any]], number: int, count: int
) -> Html:
    who, question = place
    target = next((one["target"] for one in sides.values() if one.get("target")), None)
    under = f" · {who}" if who and not training.persona else ""
    told = _vector(target) if target is not None and not training.persona else None
    return tag(
        "article",
        tag("p", tag("small", f"{number} of {count}", bidi(under))),
        tag("h3", bidi(question or "(the question is gone)")),
        tag("p", tag("small", told)) if told else None,
        tag(
            "div",
            _side(sides.get("before"), "Before", "rejected"),
            _side(sides.get("after"), "After", "chosen"),
            class_="beside two",
        ),
        class_="leaf shown" if number == 1 else "leaf",
    )


def _vector(target: Any) -> str:
    values = target.values() if isinstance(target, Mapping) else target
    return ", ".join(f"{trait} {percentile(float(value))}" for trait, value in zip(TRAITS, values, strict=False))


def _side(sample: Mapping[str, Any] | None, title: str, class_: str) -> Html:
    text = str(sample.get("text") or "(an empty answer)") if sample is not None else "(no answer was kept)"
    return tag("div", tag("p", tag("strong", title)), tag("blockquote", bidi(text), class_=class_))


def _recipe(training: Training) -> Html:
    facts: list[tuple[str, str]] = [
        ("base model", training.base),
        ("revision", training.revision),
        ("objective", objective_title(training.objective)),
        ("beta", "" if training.beta is None or training.objective == "sft" else f"{training.beta:g}"),
        ("label smoothing", f"{training.label_smoothing:g}" if training.label_smoothing else ""),
        ("adapter", _lora(training.adapter)),
        ("pairs", f"{training.train_pairs:,} for training, {training.held_out_pairs:,} held out"),
        ("left out as too long", f"{training.too_long:,}" if training.too_long else ""),
        ("steps", f"{training.steps:,}, kept {training.best_step:,}"),
        ("end", ending(training)),
        ("tokens", f"{training.tokens:,}"),
        ("time", duration(training.seconds)),
        ("seed", "" if training.seed is None else str(training.seed)),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(training.versions.items()))),
    ]
    rows = list(_flat(training.recipe))
    settings = tag(
        "div",
        tag("h3", "Every setting"),
        table(
            ("setting", "value"), [(bidi(name), bidi(value)) for name, value in rows], caption="recipe.toml", box="tall"
        ),
        class_="card",
    )
    return join(
        tag("h2", "Recipe and cost"),
        tag(
            "div",
            tag(
                "div",
                tag("h3", "What was done"),
                tag(
                    "dl", ((tag("dt", name), tag("dd", bidi(value))) for name, value in facts if value), class_="facts"
                ),
                class_="card",
            ),
            settings if rows else None,
            class_="grid two",
        ),
    )


def _lora(adapter: Mapping[str, Any]) -> str:
    if not adapter.get("r"):
        return ""
    targets = adapter.get("target_modules")
    named = f", on {', '.join(sorted(map(str, targets)))}" if isinstance(targets, list) else ""
    return f"LoRA, rank {adapter['r']}, alpha {adapter.get('lora_alpha')}{named}"


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{above}{name}", shown


def _limits(training: Training) -> Html:
    lines = [
        "The adapter expresses a personality and has none: expressed is not felt.",
        "It learned from pairs that judges chose; a rater of the same kind overlooks the same errors.",
        "Held-out pairs and control chose the step that was kept. Measure again on answers that had no say.",
        "Tuning towards a personality can cost knowledge and caution: measure both before you rely on either.",
        "Do not use it to pass as a person or to deceive.",
    ]
    if training.objective != "sft":
        lines.insert(
            3,
            "Distance from the base model is taken on the answers of the pairs, not on what the two models would say "
            "themselves: read it as a trend.",
        )
    return join(tag("h2", "Limits and proper use"), tag("div", tag("ul", (tag("li", x) for x in lines)), class_="card"))


def _last(training: Training) -> str:
    version = f" {training.versions['cityfolk']}" if "cityfolk" in training.versions else ""
    seed = f" Seed {training.seed}." if training.seed is not None else ""
    return f"Made with cityfolk{version}.{seed} This page is complete in itself: it loads nothing and sends nothing."
