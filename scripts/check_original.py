"""Reproduce the result tables of the original project from its own judged answers; exit 1 if a figure differs.

DATA/answers holds generated_responses_PERSONA.json (a tuned model's answers with the judge's scores), the same of the
untuned model, and PERSONA.txt, the table that was published. The answers go through `cityfolk import`; what is computed
from the study is held against every figure of the table, to three decimals. Beside each gain stand its 95% interval
(bootstrap over questions, tuned and untuned paired), what a constant answer of .5 on every trait would score, and how
far the means moved of what was asked. The page of control is made from the same answers.

python scripts/check_original.py DATA          (or: make check-original DATA=<folder>)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import CityfolkError
from cityfolk.evaluation.statistics import Estimate, bootstrap
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.personality.nearness import original_similarity
from cityfolk.rng import child
from cityfolk.stages import measure
from cityfolk.stages.importing_answers import import_answers
from cityfolk.stages.importing_questions import import_questions
from cityfolk.stages.pages import make_report
from cityfolk.study.folder import Study
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
BASE = "LLaMA3"
PREFIX = "generated_responses_"
QUESTIONS, ROWS, DUPLICATES = "questions_20000.csv", 20_000, 7_360
MEASURES = ("similarity", "MAE", "Euclidean")
COLUMNS = ("tuned mean", "tuned SD", "base mean", "base SD", "target", "difference")
RESAMPLES = 10_000
FEWEST = 50  # answers of a persona from which its page is made
SMALL = 0.15
"""The original's largest gain in similarity, .094, with room for its interval."""
HALF = 0.0005 + 1e-9  # of the third decimal, and of a float's
_NUMBER = re.compile(r"-?\d+\.\d+")
_AVERAGES = {"similarity": "similarity", "mae": "MAE", "euclidean": "Euclidean"}


@dataclass(frozen=True)
class Result:
    """One persona: scores (n questions, 5) of tuned and base in the file's order, and the vector asked for."""

    persona: str
    tuned: Floats
    base: Floats
    target: Floats

    def measures(self) -> dict[str, tuple[Floats, Floats]]:
        """Return each measure for every answer: (tuned, base)."""
        return {
            name: (_measure(name, self.tuned, self.target), _measure(name, self.base, self.target)) for name in MEASURES
        }

    def figures(self) -> dict[str, float | bool]:
        """Return every figure of the published table by its name."""
        found: dict[str, float | bool] = {}
        for i, trait in enumerate(TRAITS):
            means = self.tuned[:, i].mean(), self.base[:, i].mean()
            row = (
                means[0],
                self.tuned[:, i].std(),
                means[1],
                self.base[:, i].std(),
                self.target[i],
                abs(means[0] - means[1]),
            )
            found |= {f"{trait}, {column}": float(value) for column, value in zip(COLUMNS, row, strict=True)}
            found[f"{trait}, nearer than base"] = bool(abs(means[0] - self.target[i]) < abs(means[1] - self.target[i]))
        for name, (tuned, base) in self.measures().items():
            for side, values in (("tuned", tuned), ("base", base)):
                found[f"mean {name}, {side}"] = float(values.mean())
                found |= {f"answer {n}, {name}, {side}": float(value) for n, value in enumerate(values, start=1)}
        return found


def _measure(name: str, scores: Floats, target: Floats) -> Floats:
    if name == "similarity":
        return original_similarity(scores, target)
    gap = scores - target
    return np.abs(gap).mean(axis=1) if name == "MAE" else np.sqrt((gap**2).sum(axis=1))


def read_table(text: str) -> dict[str, float | bool]:
    """Return every figure of a published table by the names of `Result.figures`."""
    found: dict[str, float | bool] = {}
    for line in text.splitlines():
        words, numbers = line.split(), [float(number) for number in _NUMBER.findall(line)]
        if not words or not numbers:
            continue
        name = words[0].lower()
        if name in TRAITS and len(numbers) == len(COLUMNS):
            found |= {f"{name}, {column}": value for column, value in zip(COLUMNS, numbers, strict=True)}
            found[f"{name}, nearer than base"] = "\u2705" in line
        elif name.startswith("resp") and len(numbers) == 6:
            pairs = zip([(m, side) for side in ("tuned", "base") for m in MEASURES], numbers, strict=True)
            found |= {f"answer {int(words[1])}, {m}, {side}": value for (m, side), value in pairs}
        elif name in _AVERAGES and len(numbers) == 2:
            measure = _AVERAGES[name]
            found |= {f"mean {measure}, {side}": value for side, value in zip(("tuned", "base"), numbers, strict=True)}
    return found


def differences(result: Result, published: Mapping[str, float | bool]) -> list[str]:
    """Return what the table says and the answers do not, and what only one of them has."""
    found, ours = [], result.figures()
    for name in {**published, **ours}:
        theirs, mine = published.get(name), ours.get(name)
        if theirs is None or mine is None:
            found.append(f"{result.persona}: {name}: table {_shown(theirs)}, answers {_shown(mine)}")
        elif isinstance(theirs, bool) or isinstance(mine, bool):
            if theirs != mine:
                found.append(f"{result.persona}: {name}: table {theirs}, answers {mine}")
        elif not abs(theirs - mine) <= HALF:
            found.append(f"{result.persona}: {name}: table {theirs:.3f}, answers {mine:.4f}")
    return found


def _shown(value: float | bool | None) -> str:
    return "nothing" if value is None else str(value)


def load(answers: Path, persona: str) -> Result:
    """Import a persona's answers and the base's into a study that is thrown away; return the scores it holds."""
    files = [answers / f"{PREFIX}{name}.json" for name in (persona, BASE)]
    with TemporaryDirectory() as folder, Study.open(Path(folder) / "s", create=True) as study:
        import_answers(study, files[0], persona, files[1])
        read = study.read("answers").join(study.read("readings"), on="answer_id")
    sides = {}
    for condition in (persona, "untargeted"):
        own = read.filter(pl.col("condition") == condition)
        # Numbered as in the file: "imported-100" comes after "imported-099", and "imported-1000" after both.
        own = own.sort(pl.col("question_id").str.len_chars(), "question_id", "sample")
        sides[condition] = own
    tuned, base = sides[persona], sides["untargeted"]
    if tuned["question_id"].to_list() != base["question_id"].to_list():
        raise CityfolkError(f"{persona} and {BASE} do not answer the same questions", hint="see the two files")
    raw = [f"raw_{trait}" for trait in TRAITS]
    target = np.array([value for _, value in ARCHETYPES[persona].items()])
    return Result(persona, tuned.select(raw).to_numpy(), base.select(raw).to_numpy(), target)


def gain(result: Result, measure: str) -> Estimate:
    """Return the mean of tuned minus base, with its 95% interval by drawing questions anew."""
    tuned, base = result.measures()[measure]
    stream = child(0, "check-original", result.persona, measure)
    return bootstrap(
        lambda a, b: float(np.mean(a - b)), tuned, base,
        stream=stream, resamples=RESAMPLES, level=0.95, method="percentile",
    )  # fmt: skip


def told(result: Result, published: int) -> list[str]:
    """Return what there is to say of one persona."""
    lines = [f"{result.persona}: {len(result.tuned)} answers, {published} figures of the table", ""]
    lines.append(f"  {'':<18}{'asked':>7}{'tuned':>8}{'SD':>7}{'base':>8}{'SD':>7}   moved of what was asked")
    for i, trait in enumerate(TRAITS):
        tuned, base = result.tuned[:, i], result.base[:, i]
        asked = result.target[i] - base.mean()
        lines.append(
            f"  {trait:<18}{result.target[i]:>7.2f}{tuned.mean():>8.3f}{tuned.std():>7.3f}{base.mean():>8.3f}"
            f"{base.std():>7.3f}   {tuned.mean() - base.mean():+.3f} of {asked:+.3f}"
        )
    constant = np.full((1, len(TRAITS)), 0.5)
    lines += ["", f"  {'':<18}{'tuned':>8}{'base':>8}{'gain':>8}{'95% interval':>18}{'constant .5':>14}"]
    for name, (tuned, base) in result.measures().items():
        found = gain(result, name)
        interval = f"[{found.low:+.3f}, {found.high:+.3f}]"
        always = _measure(name, constant, result.target)[0]
        lines.append(
            f"  {name:<18}{tuned.mean():>8.3f}{base.mean():>8.3f}{found.value:>+8.3f}{interval:>18}{always:>14.3f}"
        )
    return [*lines, ""]


def slopes(results: Sequence[Result]) -> list[str]:
    """Return the slope of what was achieved on what was asked, over all answers of the personas; 1 is perfect."""
    if len(results) < 2:
        return []
    lines = [f"Slope of achieved on asked over {', '.join(result.persona for result in results)} (1 is perfect):"]
    for i, trait in enumerate(TRAITS):
        asked = np.concatenate([np.full(len(result.tuned), result.target[i]) for result in results])
        got = np.concatenate([result.tuned[:, i] for result in results])
        if np.ptp(asked) == 0:
            lines.append(f"  {trait:<18}   none: all were asked for the same")
            continue
        slope = float(np.cov(asked, got)[0, 1] / np.var(asked, ddof=1))
        lines.append(f"  {trait:<18}{slope:>+8.2f}")
    return [*lines, ""]


def check_questions(file: Path, rows: int = ROWS, duplicates: int = DUPLICATES) -> tuple[str, list[str]]:
    """Count the exact duplicates within topics in a file of questions, by the import and plainly; say what differs."""
    frame = pl.read_csv(file, infer_schema=False)
    plain = frame.height, frame.height - frame.n_unique(["topic", "question"])
    with TemporaryDirectory() as folder, Study.open(Path(folder) / "s", create=True) as study:
        done = import_questions(study, [file])
    imported = done["records"], done["identical_within_topics"]
    said = (
        f"{file.name}: {imported[0]:,} questions, {imported[1]:,} of them exact duplicates within their topic; "
        f"{done['alike_but_for_form']:,} more differ in form alone, {done['near_within_topics']:,} are near another of "
        f"their topic, {done['near_across_topics']:,} one of another topic"
    )
    wrong = []
    for what, count in (("the import", imported), ("a plain count", plain)):
        if count != (rows, duplicates):
            wrong.append(
                f"{file.name}: {what} finds {count[0]:,} and {count[1]:,}, known are {rows:,} and {duplicates:,}"
            )
    return said, wrong


def sheet(data: Path, personas: Sequence[str]) -> tuple[list[str], list[str]]:
    """Make the page of control from the original's answers; say where it is, and what of what is known it lacks."""
    folder = Path(mkdtemp(prefix="check-original-")) / "study"
    with Study.open(folder, create=True) as study:
        if (data / "questions" / QUESTIONS).exists():
            import_questions(study, [data / "questions" / QUESTIONS])  # the answers' topics are known by them
        for persona in personas:
            files = [data / "answers" / f"{PREFIX}{name}.json" for name in (persona, BASE)]
            import_answers(study, files[0], persona, files[1])
        measure(study, ["control"])
        page = make_report(study)
        rows = {row["id"]: row for row in study.findings().iter_rows(named=True)}
    own = {name.partition("@")[0].removeprefix("control."): row for name, row in rows.items()}
    said = [f"The page of control: {page}"]
    wrong = []
    for persona in personas:
        gain = own[f"original.above.{persona}"]
        said.append(
            f"  {persona}: {gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}] above the untuned model"
        )
        if not 0 < gain["low"] < gain["high"] < SMALL:
            wrong.append(f"{persona}: the gain is not the small one that is known")
    lead, kind, topics = own["original.gain"], own.get("original.slope.agreeableness"), own["topics"]
    said.append(f"  lead over a constant answer of .5: {lead['value']:+.3f} [{lead['low']:+.3f}, {lead['high']:+.3f}]")
    if kind is not None:
        said.append(f"  agreeableness moves {kind['value']:.2f} of each step that was asked for")
        if not kind["high"] < 0.25:
            wrong.append("agreeableness moves further than is known")
    elif len({ARCHETYPES[persona].agreeableness for persona in personas}) > 1:
        wrong.append("the page does not say how far agreeableness moves")
    for trait in TRAITS:
        span = own[f"judge.span.{trait}"]
        said.append(
            f"  the judge's scores for {trait}, nine answers in ten: {span['low']:.2f} to {span['high']:.2f}; "
            f"the requests span {span['expected']:.2f}"
        )
    kindness = own["judge.span.agreeableness"]
    if kind is not None and not kindness["value"] < kindness["expected"]:
        wrong.append("the page does not show that the judge is narrow")
    said.append(f"  topics: {topics['value']:.0f}")
    if topics["verdict"] != "outside":
        wrong.append("the page does not say that there are few topics")
    return said, wrong


def main(data: Path) -> int:
    """Print what was reproduced and what differs; return the exit code."""
    answers = data / "answers"
    results, found, figures = [], [], 0
    for table in sorted(answers.glob("*.txt")):
        if table.stem not in ARCHETYPES:
            found.append(f"{table.name}: there is no archetype of this name")
            continue
        published = read_table(table.read_text("utf-8"))
        try:
            result = load(answers, table.stem)
        except CityfolkError as error:
            found.append(f"{table.stem}: {error}")
            continue
        found += differences(result, published)
        figures += len(published)
        results.append(result)
        print("\n".join(told(result, len(published))))
    print("\n".join(slopes(results)))
    if whole := [result.persona for result in results if len(result.tuned) >= FEWEST]:
        lines, wrong = sheet(data, whole)
        print("\n".join([*lines, ""]))
        found += wrong
    if (data / "questions" / QUESTIONS).exists():
        said, wrong = check_questions(data / "questions" / QUESTIONS)
        print(said)
        found += wrong
    if not results:
        found.append(f"{answers} holds no table that could be reproduced")
    for difference in found:
        print(difference)
    print(f"{figures:,} figures of {len(results)} tables compared to three decimals; {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "answers").is_dir():
        sys.exit("usage: python scripts/check_original.py DATA, where DATA holds answers/")
    sys.exit(main(Path(sys.argv[1])))
