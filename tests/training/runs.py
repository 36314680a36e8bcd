"""Made-up trainings, as files of an adapter's folder: test data from a small simulation, no model was trained."""

import json

import numpy as np

from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.rng import child
from cityfolk.vocabulary import TRAITS

RECIPE = """model = "pocket"
rank = 16
alpha = 32
targets = ["q_proj", "v_proj"]
objective = "dpo"
beta = 0.1
rate = 0.001
batch = 16
epochs = 3
seed = 7
"""
QUESTIONS = (
    "A friend cancels on you for the third time. What do you say?",
    "What makes a place feel like home to you?",
    "How do you decide what to do with a free weekend?",
)
BEFORE = "I would ask what happened and think about it for a while. Most of the time there is a reason."
AFTER = (
    "I would tell them that I miss them and ask if something is wrong. I care about how they feel, even if I worry "
    "afterwards that I was too soft."
)


def write_run(folder, *, kind="persona", steps=240, every=20, seed=0, **changes):
    """Write a finished training of a persona or of vectors under `folder`; `changes` alter training.json."""
    folder.mkdir(parents=True, exist_ok=True)
    persona = kind == "persona"
    vector = dict(ARCHETYPES["Diplomat"].items()) if persona else None
    events = [*_learning(steps, every, seed), *_control(steps, every * 2, persona, seed)]
    best = min((e for e in events if e["event"] == "held-out"), key=lambda e: e["loss"])["step"]
    about = {
        "name": "diplomat" if persona else "vectors",
        "kind": kind,
        "target_name": "Diplomat" if persona else "",
        "target": list(vector.values()) if vector else None,
        "model": "pocket",
        "revision": "0123456789ab",
        "objective": {"name": "dpo", "beta": 0.1, "label_smoothing": 0.0},
        "pairs": {"train": 1180, "held_out": 236},
        "too_long": 4,
        "tokens": 1_204_330,
        "seconds": 812.5,
        "steps": steps,
        "best_step": best,
        "stopped_by": "patience",
        "versions": {"cityfolk": "9", "torch": "2.13.0"},
        "seed": 7,
    } | changes
    lines = sorted(events, key=lambda e: (e["step"], e["event"]))
    (folder / "training.json").write_text(json.dumps(about))
    (folder / "training.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "recipe.toml").write_text(RECIPE)
    config = {"peft_type": "LORA", "r": 16, "lora_alpha": 32, "target_modules": ["v_proj", "q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    targets = [(about["target_name"], about["target"])] if persona else [("sobol-003", [0.1, 0.9, 0.5, 0.3, 0.7])]
    samples = [
        {"when": when, "target_name": name, "target": target, "question": question, "text": text}
        for name, target in targets
        for when, text in (("before", BEFORE), ("after", AFTER))
        for question in QUESTIONS
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in samples))
    return folder


def _learning(steps, every, seed):
    """DPO as a logistic regression that generalises less than it learns: the gain of a pair grows, then overfits."""
    draw = child(seed, "made-up training")
    pairs = draw.normal(1.0, 1.3, 400)
    for step in range(0, steps + 1):
        grown = 22 * (1 - np.exp(-step / 70))
        for event in ("train", "held-out"):
            if event == "held-out" and step % every:
                continue
            fitted = 1.0 if event == "train" else 0.75
            noise = (2.0 if event == "train" else 4.0) * step / steps
            some = draw.choice(pairs, 32 if event == "train" else 236)
            late = 0.0 if event == "train" else max(0, step - 0.6 * steps) / steps * 14
            gain = grown * fitted * some * 0.6 + draw.normal(0, 1e-9 + 3 * noise + 2 * late, len(some))
            z = 0.1 * gain
            chosen = float(z.mean() * 0.35 - 0.004 * step / steps * 10)
            yield {
                "event": event,
                "step": step,
                "epoch": round(3 * step / steps, 3),
                "loss": float(np.log1p(np.exp(-z)).mean()),
                "margin": float(z.mean()),
                "accuracy": float((gain > 1e-4).mean()),
                "kl": float(0.09 * (1 - np.exp(-step / 90)) * draw.uniform(0.95, 1.05)),
                "logp_chosen": -112.0 + chosen,
                "logp_rejected": -118.0 + chosen - float(z.mean()),
                "reward_chosen": chosen,
                "reward_rejected": chosen - float(z.mean()),
                "rate": 2e-4 * (1 - step / steps),
                "tokens": 5018 * step,
                "seconds": 3.385 * step,
            }


def _control(steps, every, persona, seed):
    draw = child(seed, "made-up control")
    tops = (0.86, None, 0.74, 0.93, 0.8) if persona else (0.95, 0.9, 1.06, 0.88, 0.97)
    ceiling = dict(zip(TRAITS, tops, strict=True))
    for step in range(0, steps + 1, every):
        reached = {
            trait: None
            if top is None
            else round(float(top * (1 - np.exp(-step / 60)) + draw.normal(0, 0.02) * (step > 0)), 4)
            for trait, top in ceiling.items()
        }
        known = [value for value in reached.values() if value is not None]
        event = {"event": "control", "step": step, "score": sum(known) / len(known)}
        if persona:
            by = {"rater": {t: v if v is None else round(0.9 * v, 4) for t, v in reached.items()}, "grammar": reached}
            target = dict(ARCHETYPES["Diplomat"].items())
            read = {t: target[t] - (0.08 if reached[t] is None else 0.35 * (1 - reached[t])) for t in TRAITS}
            told = {f"closed_{who}": values for who, values in by.items()}
            yield event | {"closed": reached, "reader": "grammar", "read_grammar": read, "read_rater": read} | told
        else:
            rho = {t: min(0.99, v) for t, v in reached.items()}
            yield (
                event
                | {"slope": reached, "spearman": rho, "reader": "rater"}
                | {
                    "slope_rater": reached,
                    "spearman_rater": rho,
                }
            )
