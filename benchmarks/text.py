"""How long the evidence on written lives takes, and how much memory, beside the pairwise method in plain Python.

    python benchmarks/text.py [--profiles 1180 118000] [--fields 45] [--embedder NAME] [--sections variety ...] [--json]

The lives are the pocket grammar's (no model runs): a pool of people is written once, and each field of each profile is
drawn from the pool, with as many fields as asked for (a field met again has a number behind its name). Up to 2,000
profiles embeddings are part of it, above they are not. Every measurement runs in a process of its own (peak memory is
that process's), one after the other. Seconds include everything from the table of profiles to the findings.

 - pairwise: the method that the original project describes, written anew: the set of words of every field, and the
   Jaccard similarity of every pair of profiles and every field kept in a list. Measured on few profiles, extrapolated
   by the number of pairs.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl

POOL = 3000
EMBED_UP_TO = 2000
PAIRWISE = 150


def write_pool(place: str, size: int, folder: Path) -> None:
    """Write the lives of a cohort with the grammar, and keep them and what is known of the people."""
    from cityfolk.people.build import build_people
    from cityfolk.places.pack import load_place
    from cityfolk.pocket.grammar import write_profile
    from cityfolk.profiles.cohort import draw_cohort
    from cityfolk.profiles.prompts import citizen_text
    from cityfolk.profiles.records import citizens
    from cityfolk.rng import child

    pack = load_place(place)
    made = build_people(pack, 0)
    cohort = draw_cohort(made.people, size, 0, households=made.households)
    chosen = list(citizens(made.people, made.households, cohort, pack.title))
    lives = [write_profile(citizen_text(one), child(0, "bench", one.person.person_id)) for one in chosen]
    ids = pl.Series("person_id", [one.person.person_id for one in chosen])
    pl.DataFrame(lives).insert_column(0, ids).write_parquet(folder / "pool.parquet")
    made.people.filter(pl.col("person_id").is_in(ids.to_list())).write_parquet(folder / "people.parquet")


def corpus_of(folder: Path, profiles: int, fields: int):
    """Return a corpus of that many profiles: the pool's own while it lasts, then every field drawn from it."""
    from cityfolk.evaluation.corpus import Corpus
    from cityfolk.rng import child

    pool, people = pl.read_parquet(folder / "pool.parquet"), pl.read_parquet(folder / "people.parquet")
    own = [name for name in pool.columns if name != "person_id"]
    rng = child(0, "bench", "draw")
    owner = np.arange(profiles) % pool.height
    columns = [pl.Series("person_id", np.arange(profiles)), pl.Series("source", ["grammar"] * profiles)]
    for place in range(fields):
        name = own[place % len(own)]
        rows = owner if place < len(own) and profiles <= pool.height else rng.integers(0, pool.height, profiles)
        again = place // len(own)
        columns.append(pool[name][rows].alias(f"{name}_{again + 1}" if again else name))
    frame = pl.DataFrame(columns)
    who = pool["person_id"][owner].to_frame().join(people, on="person_id", how="left", maintain_order="left")
    known = who.with_columns(person_id=pl.Series(np.arange(profiles)))
    return Corpus(profiles=frame, fields=tuple(frame.columns[2:]), people=known)


def section(folder: Path, name: str, profiles: int, args: argparse.Namespace) -> dict[str, float]:
    """Run one section, or "list" them; return what it took."""
    from cityfolk.evaluation.corpus import Evidence
    from cityfolk.places.pack import load_place
    from cityfolk.stages.text import TextOptions, sections

    corpus = corpus_of(folder, profiles, args.fields)
    known = sections(corpus)
    if name == "list":
        return {"sections": list(known)}
    embedder = args.embedder if profiles <= EMBED_UP_TO else "none"
    options = TextOptions(embedder=embedder, tables=load_place(args.place).tables)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter(), time.process_time()
    evidence = Evidence()
    for work in known.values() if name == "all" else [known[name]]:
        evidence += work(corpus, options)
    return {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "corpus_mb": base,
        "findings": len(evidence.findings),
        "details": len(evidence.details),
    }


def pairwise(folder: Path, profiles: int, fields: int) -> dict[str, float]:
    """Run the pairwise method on a few profiles; return its CPU seconds and megabytes for all of them."""
    corpus = corpus_of(folder, min(PAIRWISE, profiles), fields)
    texts = {field: corpus.texts(field) for field in corpus.fields}
    few = len(next(iter(texts.values())))
    cpu = time.process_time()
    kept = []
    for field, column in texts.items():
        for one, other in combinations(range(few), 2):
            left, right = set(column[one].lower().split()), set(column[other].lower().split())
            both = left | right
            kept.append((field, len(left & right) / len(both) if both else 0.0))
    took = time.process_time() - cpu
    size = len(kept) * (sys.getsizeof(kept[0]) + sys.getsizeof(0.5) + 8) / 2**20
    factor = profiles * (profiles - 1) / (few * (few - 1))
    return {"measured_on": few, "measured_cpu_s": took, "cpu_s": took * factor, "peak_mb": size * factor}


def apart(folder: Path, args: argparse.Namespace, what: str, profiles: int) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, __file__, "--one", what, str(folder), "--profiles", str(profiles)]
    command += ["--fields", str(args.fields), "--embedder", args.embedder, "--place", args.place]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what} at {profiles}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--place", default="cambridge-ma")
    parser.add_argument("--profiles", type=int, nargs="+", default=[1180, 118_000])
    parser.add_argument("--fields", type=int, default=45)
    parser.add_argument("--embedder", default="lexical")
    parser.add_argument("--sections", nargs="+", default=[], help="by default each, and then all in one process")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        what, folder = args.one[0], Path(args.one[1])
        if what == "pairwise":
            print(json.dumps(pairwise(folder, args.profiles[0], args.fields)))
        else:
            print(json.dumps(section(folder, what, args.profiles[0], args)))
        return
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pool(args.place, POOL, folder)
        chosen = args.sections or [*apart(folder, args, "list", 10)["sections"], "all"]
        for profiles in args.profiles:
            for what in (*chosen, "pairwise"):
                results[f"{what} {profiles}"] = apart(folder, args, what, profiles)
    if args.json:
        print(json.dumps(results, indent=1))
        return
    print(f"{args.fields} fields of {args.place}; embeddings ({args.embedder}) up to {EMBED_UP_TO:,} profiles")
    print(f"{'':24} {'seconds':>10} {'CPU s':>12} {'MB':>14}")
    for name, result in results.items():
        wall = f"{result['wall_s']:10.1f}" if "wall_s" in result else f"{'':10}"
        print(f"{name:24} {wall} {result['cpu_s']:12,.1f} {result['peak_mb']:14,.0f}")
    print(f"pairwise: extrapolated from {PAIRWISE} profiles by the number of pairs")


if __name__ == "__main__":
    main()
