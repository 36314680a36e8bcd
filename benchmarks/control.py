"""How long `cityfolk evaluate control` takes for a model and its adapters, and what it says of each.

    python benchmarks/control.py [--out DIR] [--adapter NAME=FOLDER ...] [--preset standard] [--only text ...] [--json]

The embedded model is asked first, with the vector in its prompt, then each adapter of it; all go into one study, whose
page holds them side by side. Adapters are those that benchmarks/steering.py makes: one by imitation (SFT), one for an
archetype, one for any vector, in STUDY/adapters/. One that was trained for an archetype is asked as that alone, which
takes a fraction of the calls.

For each model: calls, seconds and CPU seconds of asking it (what the study has already is not asked again, and takes no
time), then of measuring everything that the study holds by then, and of its page; and what the judges and the
questionnaire found. "standard" is free text under 64 vectors and the archetypes on 10 topics, and IPIP-NEO-120 in two
orders of its options under 64 vectors.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cityfolk.stages import ask_control, measure, questionnaire
from cityfolk.stages.ask_control import AskOptions, adapter_in
from cityfolk.stages.control_parts import ask_control as ask
from cityfolk.stages.pages import make_report
from cityfolk.study.folder import Study

PROMPT = "prompt"
MEASURES = ("slope", "spearman", "bleed")


@contextmanager
def watched(into: dict[str, Any], name: str) -> Iterator[None]:
    """Keep the seconds, and the CPU seconds of this process and of its children."""
    wall, cpu = time.perf_counter(), os.times()
    yield
    now = os.times()
    into[f"{name}_s"] = time.perf_counter() - wall
    into[f"{name}_cpu_s"] = sum(now[:4]) - sum(cpu[:4])


def smaller(preset: str, vectors: int, topics: int) -> None:
    """Ask for fewer vectors and topics than a preset does: a look at whether all of it runs."""
    size = replace(ask_control.PRESETS[preset], vectors=vectors, topics=topics)
    ask_control.PRESETS = MappingProxyType({**ask_control.PRESETS, preset: size})
    asked = replace(questionnaire.PRESETS[preset], targets=(f"sobol:{vectors}", "none"))
    questionnaire.PRESETS = {**questionnaire.PRESETS, preset: asked}


def calls_of(study: Study) -> int:
    """Return how many calls a study has made."""
    return sum(row["calls"] for row in study.journal.summary())


def row_of(folder: Path, name: str, engine: str, args: argparse.Namespace) -> dict[str, Any]:
    """Ask one model, measure the study, make its page; return what it took and what was found."""
    row: dict[str, Any] = {"name": name, "engine": engine}
    engines = tuple(dict.fromkeys((args.model, engine)))
    options = AskOptions(preset=args.preset, engines=engines, judges=tuple(args.judge), only=tuple(args.only))
    with Study.open(folder, create=True) as study:
        before = calls_of(study)
        with watched(row, "asking"):
            failed = ask(study, options, step=told)["failed"]
        row["calls"] = calls_of(study) - before
        with watched(row, "measuring"):
            found = measure(study, ["control"], step=told)
        with watched(row, "page"):
            row["page"] = str(make_report(study))
    row["failed"] = {part: str(error) for part, error in {**failed, **found["failed"]}.items()}
    condition = Path(adapter_in(engine)).name or "prompted"
    row["text"] = [line for line in found["control"] if line["condition"] == condition]
    row["questionnaire"] = [line for line in found["questionnaire"] if line["condition"] == condition]
    return row


# -- telling -----------------------------------------------------------------------------------------------------------

_last = [0.0]


def told(title: str, done: int, total: int, rate: str) -> None:
    """Show progress, a line in ten seconds."""
    if time.monotonic() - _last[0] > 10:
        _last[0] = time.monotonic()
        print(f"  {title}: {done:,} of {total:,} {rate}", flush=True)


def _number(found: dict[str, Any] | None) -> str:
    return "–" if found is None or found.get("value") is None else f"{found['value']:.2f}"


def show(row: dict[str, Any]) -> None:
    """Print what one model took, and what was found."""
    spent = sum(row[f"{name}_s"] for name in ("asking", "measuring", "page"))
    cpu = sum(row[f"{name}_cpu_s"] for name in ("asking", "measuring", "page"))
    print(
        f"\n{row['name']}: {spent / 60:.1f} minutes, {cpu / 60:.1f} CPU minutes, {row['calls']:,} calls "
        f"(asking {row['asking_s']:,.0f} s, measuring {row['measuring_s']:,.0f} s, the page {row['page_s']:.0f} s)"
    )
    for line in row["text"]:
        said = ", ".join(f"{name} {_number(line.get(name))}" for name in MEASURES)
        print(f"  text, by {line['judge']}: {said}")
    for line in row["questionnaire"]:
        r = line.get("spearman")
        span = f"{r['lowest']:.2f} to {r['highest']:.2f}" if r else "–"
        print(f"  {line['instrument']}: rank r {span}, bleed {_number(line.get('bleed'))}")
    for part, error in row["failed"].items():
        print(f"  FAILED {part}: {error}")
    print(f"  {row['page']}", flush=True)


def main() -> None:
    """Ask, measure and tell, a model after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("control"), help="the study in which all of it is kept")
    parser.add_argument("--model", default="pocket", help="the engine without an adapter")
    parser.add_argument("--adapter", action="append", default=[], metavar="NAME=FOLDER", help="may be given again")
    parser.add_argument("--preset", default="standard", choices=list(ask_control.PRESETS))
    parser.add_argument("--only", nargs="*", default=[], help="these parts of control alone")
    parser.add_argument("--judge", nargs="*", default=[], help="who reads; those of the preset by default")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--vectors", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--topics", type=int, default=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    named = [text.partition("=") for text in args.adapter]
    if any(not folder or not Path(folder).is_dir() for _, _, folder in named):
        parser.error("give each adapter as NAME=FOLDER, a folder that is there")
    if args.vectors:
        smaller(args.preset, args.vectors, args.topics)
    models = {PROMPT: args.model} | {name: f"{args.model}+{Path(folder).resolve()}" for name, _, folder in named}
    rows = []
    for name, engine in models.items():
        rows.append(row_of(args.out, name, engine, args))
        if not args.json:
            show(rows[-1])
    if args.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
