"""Knowledge and reasoning by lm-evaluation-harness, where it is installed: its command is run, its JSON is read.

Gao et al., "A framework for few-shot language model evaluation", github.com/EleutherAI/lm-evaluation-harness. Its tasks
are fetched from the Hugging Face hub unless they are cached. Models of `hf:` are run by it in a process of its own,
adapters with them; a served model answers what is generated, GSM8K, and no question that needs probabilities.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import isfinite
from pathlib import Path

from cityfolk.engines.spec import parse_spec, split_name
from cityfolk.errors import EngineError, UsageError
from cityfolk.evaluation.control.telling import told
from cityfolk.evaluation.intervals import Z90
from cityfolk.evaluation.statistics import Estimate
from cityfolk.types import Finding

INSTALL = 'pip install "lm_eval[hf,api]"'
TASKS = ("mmlu", "gsm8k", "truthfulqa_mc2")
GENERATED = ("gsm8k",)
"""The tasks that need no probabilities, which is what a chat server can answer."""
_METRICS = ("exact_match", "acc", "acc_norm")
_TAIL = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One task's score from 0 to 1, its standard error (NaN if unknown), and over how many questions."""

    task: str
    metric: str
    value: float
    error: float
    n: int | None


def installed() -> bool:
    """Say whether the harness can be run by this Python."""
    return find_spec("lm_eval") is not None


def command(
    engine: str,
    out: Path,
    *,
    tasks: Sequence[str] = TASKS,
    limit: int | None = None,
    system: str = "",
    python: str = sys.executable,
    more: Sequence[str] = (),
) -> list[str]:
    """Return the harness's command for an engine by its name; `limit` questions of every task (of each part of MMLU).

    `system` puts a personality into a system message. UsageError for an engine that the harness can't run, and for
    tasks that it can't be asked.
    """
    name, rest = split_name(engine)
    spec = parse_spec(rest, remote=name in ("openai", "ollama"), adapters=name == "hf")
    if name == "hf":
        arguments = f"pretrained={spec.model}" + (f",peft={spec.adapter}" if spec.adapter else "")
        kind, chat = "hf", bool(system)
    elif name == "openai" and spec.urls:
        wrong = [task for task in tasks if task not in GENERATED]
        if wrong:
            raise UsageError(
                f"a served model gives no probabilities for {', '.join(wrong)}",
                hint=f"ask {', '.join(GENERATED)} of it",
            )
        url = spec.urls[0].removesuffix("/")
        arguments, kind, chat = f"model={spec.model},base_url={url}/chat/completions", "local-chat-completions", True
    else:
        raise UsageError(f"lm-evaluation-harness can't run {engine}", hint="it runs hf:MODEL and openai:MODEL@URL")
    made = [python, "-m", "lm_eval", "run", "--model", kind, "--model_args", arguments, "--tasks", ",".join(tasks)]
    made += ["--output_path", str(out)]
    made += ["--limit", str(limit)] if limit is not None else []
    made += ["--apply_chat_template"] if chat else []
    made += ["--system_instruction", system] if system else []
    return [*made, *more]


def run(asked: Sequence[str], out: Path) -> list[Score]:
    """Run a command of `command` and read what it wrote; EngineError with its last words where it failed."""
    done = subprocess.run(list(asked), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-_TAIL:]
        if "No module named lm_eval" in said:
            raise EngineError("lm-evaluation-harness is not installed here", hint=INSTALL)
        unreachable = any(
            word in said for word in ("OfflineMode", "ConnectionError", "LocalEntryNotFound", "Max retries")
        )
        hint = "its tasks are fetched from the Hugging Face hub: go online once" if unreachable else "run it by hand"
        raise EngineError(f"lm-evaluation-harness stopped: {' '.join(said.split())}", hint=hint)
    return read_results(out)


def read_results(out: Path) -> list[Score]:
    """Return the scores in the newest results_*.json below a folder, the parts of a group left out."""
    files = sorted(out.rglob("results_*.json"), key=lambda path: path.name)
    if not files:
        raise EngineError(f"lm-evaluation-harness wrote no results below {out}", hint="run it by hand to see why")
    document = json.loads(files[-1].read_text(encoding="utf-8"))
    parts = {name for names in document.get("group_subtasks", {}).values() for name in names}
    found = []
    for task, values in document["results"].items():
        keys = [key for metric in _METRICS for key in values if key.partition(",")[0] == metric]
        if task in parts or not keys:
            continue
        metric, _, kind = keys[0].partition(",")
        error = values.get(f"{metric}_stderr,{kind}")
        counted = document.get("n-samples", {}).get(task, {}).get("effective")
        found.append(
            Score(
                task=task,
                metric=metric,
                value=float(values[keys[0]]),
                error=float(error) if isinstance(error, int | float) else float("nan"),
                n=counted if isinstance(counted, int) else None,
            )
        )
    return found


def score_findings(scores: Sequence[Score], model: str, condition: str) -> list[Finding]:
    """Return `control.cost.harness.TASK@lm_eval|MODEL|CONDITION`; the interval is 1.64 standard errors either way."""
    found = []
    for one in scores:
        half = Z90 * one.error if isfinite(one.error) else float("nan")
        made = Estimate(one.value, max(0.0, one.value - half), min(1.0, one.value + half))
        title = f"{one.task} ({one.metric}), {condition}"
        found.append(told(f"cost.harness.{one.task}@lm_eval|{model}|{condition}", title, made, one.n, "share"))
    return found
