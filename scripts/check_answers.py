"""Measure how well the embedded model answers at a vector, by the posterior of its own grammar, on held-out topics.

python scripts/check_answers.py --n 400
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
from scipy.special import ndtri
from scipy.stats import spearmanr

from cityfolk import rng
from cityfolk.engines.pocket import PocketEngine
from cityfolk.pocket.answering import read_answer
from cityfolk.pocket.asking import write_question
from cityfolk.preferences.prompts import answer_messages
from cityfolk.preferences.records import STYLES
from cityfolk.preferences.topics import topics
from cityfolk.types import BigFive, Request, Sampling
from cityfolk.vocabulary import TRAITS


def main() -> None:
    """Ask, read, and print one line a trait."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=400, help="prompted answers; a quarter as many without a vector")
    parser.add_argument("--weights", default="")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--show", type=int, default=0, help="answers to print")
    args = parser.parse_args()
    engine, held = PocketEngine(args.weights), [topic for topic in topics() if topic.split == "held-out"]
    asked: dict[str, tuple[str, str, BigFive | None]] = {}
    requests = []
    for number in range(args.n + args.n // 4):
        stream = rng.child(1, "check-answers", number)
        topic = held[number % len(held)]
        question = write_question(topic.phrase, STYLES[number % len(STYLES)], topic.facets[0], stream)
        values = dict(zip(TRAITS, stream.uniform(0.02, 0.98, 5).tolist(), strict=True))
        target = BigFive(**values) if number < args.n else None
        request = Request(
            messages=answer_messages(question, target),
            model=engine.model,
            sampling=Sampling(temperature=args.temperature, max_tokens=220),
        )
        asked[request.key] = (topic.phrase, question, target)
        requests.append(request)
    wanted, expressed, plain = [], [], []
    counts, strange = Counter[str](), Counter[str]()
    for shown, (key, reply) in enumerate(engine.generate(iter(requests))):
        phrase, question, target = asked[key]
        read = read_answer(reply.text)
        counts["answers"] += 1
        counts["finished"] += reply.finish == "stop"
        counts["statements"] += read.sentences
        counts["parsed"] += read.parsed
        counts["name the topic"] += phrase in reply.text
        strange.update(read.unparsed)
        if target is None:
            plain.append(read.z)
        else:
            wanted.append([float(ndtri(value)) for _, value in target.items()])
            expressed.append(read.z)
        if shown < args.show:
            print(target and {k[0]: round(v, 2) for k, v in target.items()}, question, reply.text, "", sep="\n")
    print(dict(counts), strange.most_common(5))
    x, y, base = np.array(wanted), np.array(expressed), np.array(plain)
    for n, trait in enumerate(TRAITS):
        slope = np.polyfit(x[:, n], y[:, n], 1)[0]
        rho = spearmanr(x[:, n], y[:, n]).statistic
        print(f"{trait}: Spearman {rho:.3f}, slope of z {slope:.2f}; without a vector z {base[:, n].mean():+.2f}")


if __name__ == "__main__":
    main()
