"""`cityfolk train DIR`."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from cityfolk.cli.console import result, say, stepping
from cityfolk.cli.options import Folder, Json

_Persona = Annotated[
    str,
    typer.Option("--persona", help="Train one personality: the name of a target that has pairs, such as Diplomat."),
]
_Vectors = Annotated[
    bool, typer.Option("--vectors", help="Train one adapter that takes any five numbers, given in the prompt.")
]
_Model = Annotated[
    str, typer.Option("--model", help="pocket, a folder, or a Hugging Face name; by default the recipe's.")
]
_Recipe = Annotated[
    str,
    typer.Option(
        "--recipe",
        help="pocket-cpu, 8b-one-gpu, 8b-four-gpus, 8b-original, or a TOML file; by default pocket-cpu for pocket and "
        "8b-one-gpu for others.",
    ),
]
_Name = Annotated[str, typer.Option("--name", help="What the adapter is called; by default the persona, or vectors.")]
_Pairs = Annotated[
    str, typer.Option("--pairs", help="Which pairs, as `pair` named them; by default the persona's, vectors, or all.")
]
_Objective = Annotated[
    str, typer.Option("--objective", help="dpo, dpo-norm, ipo, ipo-norm, or sft (chosen answers alone).")
]
_Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Train so many steps instead of the recipe's.")]
_Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        help="The same seed gives the same adapter on the same machine, unless the clock stops the training first "
        "(minutes in the recipe, 15 in pocket-cpu). By default the study's.",
    ),
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the first pair, the size of the job and the memory it takes.")
]


def train(
    folder: Folder,
    persona: _Persona = "",
    vectors: _Vectors = False,
    model: _Model = "",
    recipe: _Recipe = "",
    name: _Name = "",
    pairs: _Pairs = "",
    objective: _Objective = "",
    steps: _Steps = None,
    seed: _Seed = None,
    dry_run: _DryRun = False,
    as_json: Json = False,
) -> None:
    """Train a LoRA adapter on preference pairs: one personality, or any vector."""
    from cityfolk.stages import TrainOptions, plan_training, train_adapter
    from cityfolk.study.folder import Study

    options = TrainOptions(
        persona=persona,
        vectors=vectors,
        model=model,
        recipe=recipe,
        name=name,
        pairs=pairs,
        objective=objective,
        steps=steps,
        seed=seed,
    )
    # Of several processes that a launcher starts, the first writes and tells.
    first = os.environ.get("RANK", "0") == "0"
    if dry_run:
        with Study.open(folder, read_only=True) as study:
            plan = plan_training(study, options)
        result(_plan(plan), plan, as_json=as_json)
        return
    with Study.open(folder, read_only=not first) as study, stepping() as step:
        done = train_adapter(study, options, step=step if first else lambda *_: None)
    if not first:
        return  # the first one tells
    for notice in done["notices"]:
        say(notice)
    result(_words(done), done, as_json=as_json)


def _plan(plan: dict[str, Any]) -> str:
    memory = sum(plan["memory_bytes"].values()) / 1e9
    prompt = "\n".join(f"[{one['role']}] {one['content']}" for one in plan["first_prompt"])
    lines = [
        f"{plan['folder']}: {plan['model']} on {plan['pairs']['train']:,} pairs of {plan['table']}, "
        f"{plan['pairs']['held_out']:,} held out, {len(plan['too_long']):,} too long",
        f"{plan['steps']:,} steps ({plan['epochs']:.2g} passes), {plan['tokens']:,} tokens; "
        f"about {memory:.1f} GB of memory in {plan['dtype']}",
        "",
        prompt,
        f"[chosen] {plan['first_chosen']}",
        *([f"[rejected] {plan['first_rejected']}"] if plan["first_rejected"] else []),
        "",
        plan["recipe"].rstrip(),
    ]
    return "\n".join(lines)


def _words(done: dict[str, Any]) -> str:
    ended = {
        "steps": "all its steps made",
        "minutes": "stopped by the clock",
        "patience": "stopped as it got no better",
    }.get(done["stopped_by"], done["stopped_by"])
    lines = [
        f"{done['adapter']}: step {done['best_step']:,} of {done['steps']:,} is kept, {ended}",
        f"  {done['pairs']['train']:,} pairs, {done['tokens']:,} tokens, {done['seconds']:,.0f} s",
    ]
    if done["again"]:
        lines[0] += " (trained before)"
    return "\n".join(lines)
