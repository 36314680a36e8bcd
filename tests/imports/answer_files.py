"""A small folder as the original project leaves it: judged answers of two models, and the table made of them."""

import json

import numpy as np

TRAITS = ("Openness", "Conscientiousness", "Extraversion", "Agreeableness", "Neuroticism")
TARGET = np.array([0.90, 0.60, 0.35, 0.25, 0.35])  # the Analyst's


def records(shift, n=12, seed=5):
    """n judged answers to made-up questions; scores in tenths, moved by `shift`."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        question = f"What would you keep of the things on shelf {i}?"
        scores = np.clip(rng.integers(3, 8, 5) / 10 + shift, 0, 1).round(2)
        made.append(
            {
                "topic": question,
                "question": question,
                "answer": f"I would keep box number {i + seed}, and the letters in it.",
                "big_5": {
                    "Reflection": dict.fromkeys(TRAITS, "The text mentions a box."),
                    "Score": dict(zip(TRAITS, map(float, scores), strict=True)),
                },
            }
        )
    return made


def scores(made):
    return np.array([[row["big_5"]["Score"][trait] for trait in TRAITS] for row in made])


def table(tuned, base):
    """The published table, by formulas written out here a second time."""
    a, b = scores(tuned), scores(base)
    lines = ["Results for the model: Analyst", "", "Trait  Model  SD  LLaMA3  SD  Target  Difference"]
    for i, trait in enumerate(TRAITS):
        means = sum(a[:, i]) / len(a), sum(b[:, i]) / len(b)
        sds = [
            (sum((x - m) ** 2 for x in side[:, i]) / len(side)) ** 0.5 for side, m in zip((a, b), means, strict=True)
        ]
        mark = "\u2705" if abs(means[0] - TARGET[i]) < abs(means[1] - TARGET[i]) else "\u274c"
        lines.append(
            f"{trait:<18}{means[0]:8.3f}{sds[0]:8.3f}{means[1]:8.3f}{sds[1]:8.3f}{TARGET[i]:8.2f}"
            f"{abs(means[0] - means[1]):8.3f}   {mark}"
        )
    rows = []
    for n, (x, y) in enumerate(zip(a, b, strict=True), start=1):
        row = []
        for side in (x, y):
            gaps = [abs(p - q) for p, q in zip(side, TARGET, strict=True)]
            product = 1.0
            for gap in gaps:
                product *= 2.718281828459045 ** (-5 * gap * gap)
            row += [product**0.2, sum(gaps) / 5, sum(gap * gap for gap in gaps) ** 0.5]
        rows.append(row)
        lines.append(f"Resp. {n:<8}" + "".join(f"{value:10.3f}" for value in row))
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    lines += [
        "Means:",
        *(
            f"{name} media {means[i]:10.3f}{means[i + 3]:10.3f}"
            for i, name in enumerate(("Similarity", "MAE", "Euclidean"))
        ),
    ]
    return "\n".join(lines) + "\n"


def write_folder(data, tuned=None, base=None):
    """Write DATA/answers with the Analyst's answers, the base's, and the table."""
    tuned, base = tuned or records(0.1), base or records(0.0, seed=6)
    folder = data / "answers"
    folder.mkdir(parents=True)
    (folder / "generated_responses_Analyst.json").write_text(json.dumps(tuned))
    (folder / "generated_responses_LLaMA3.json").write_text(json.dumps(base))
    (folder / "Analyst.txt").write_text(table(tuned, base))
    return data
