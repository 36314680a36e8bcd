"""How long a population takes, how much memory, and what a person costs as the place grows.

    python benchmarks/people.py [--place cambridge-ma] [--scales 1 10] [--json]

Every measurement runs in a process of its own (peak memory is that process's), one after the other:
 - build: the whole population of a place, at each scale (every count of its tables multiplied);
 - floor: plain numpy raking of the same tables, whole-number rounding and one row a person, without households,
   attributes, personality or names: what no build can do without;
 - five-way: ten million (and a hundred times the place's) people from a table of 15,120 cells raked to all ten two-way
   margins, rounded and expanded to five columns.
Wall seconds include nothing but the work (imports are timed apart); CPU seconds are of all threads.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

FIVE_WAY = (20, 2, 9, 6, 7)  # age, sex, race, education, tenure by kind: 15,120 cells
TEN_MILLION = 10_000_000


def measured(work) -> dict[str, float]:
    """Run work() and return its wall and CPU seconds, the process's peak memory and what it counted."""
    wall, cpu = time.perf_counter(), time.process_time()
    people = work()
    return {
        "people": people,
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def build(place: str, scale: int) -> dict[str, float]:
    """Build everyone of a place."""
    from cityfolk.people.build import build_people
    from cityfolk.places.pack import load_place

    pack = load_place(place)
    return measured(lambda: build_people(pack, 0, scale=scale).people.height)


def floor(place: str, scale: int) -> dict[str, float]:
    """Rake the same tables with numpy, round, expand."""
    import numpy as np

    from cityfolk.people.build import scaled
    from cityfolk.people.core_people import cell_view, head_view, make_cells
    from cityfolk.people.core_tables import read_facts, targets
    from cityfolk.people.raking import expand, fit_cells, integerize
    from cityfolk.places.pack import load_place

    facts = read_facts(scaled(load_place(place), scale).tables)

    def work() -> int:
        cells = make_cells(facts)
        households, heads = head_view(cells)
        stated = targets(facts, cell_view(cells), np.arange(len(cells.seed)), ("persons",))
        stated += targets(facts, households, heads, ("households", "families"))
        weights = fit_cells(cells.seed, stated, max_sweeps=300).weights
        at = expand(integerize(weights, np.random.default_rng(0), total=round(facts.value("persons") or 0)))
        columns = [getattr(cells, name)[at] for name in ("band", "sex", "cit", "pos", "mar")]
        return len(columns[0])

    return measured(work)


def five_way(people: int) -> dict[str, float]:
    """Make people of a five-way table that is raked to all ten two-way margins."""
    import numpy as np

    from cityfolk.people.raking import Margin, expand, integerize, rake

    rng = np.random.default_rng(7)
    truth = rng.gamma(0.5, size=FIVE_WAY)
    truth *= people / truth.sum()
    pairs = list(combinations(range(5), 2))
    margins = [Margin(axes=p, target=truth.sum(axis=tuple(a for a in range(5) if a not in p))) for p in pairs]

    def work() -> int:
        raked = rake(np.ones(FIVE_WAY), margins, tolerance=1e-9)
        if not raked.converged:
            raise SystemExit(f"raking did not converge: {raked.largest_gap}")
        cell = expand(integerize(raked.table, np.random.default_rng(0), total=people))
        grid = np.unravel_index(np.arange(int(np.prod(FIVE_WAY))), FIVE_WAY)
        columns = [axis.astype(np.int8)[cell] for axis in grid]
        return len(columns[0])

    return measured(work)


def apart(*task: str) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--task", *task]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(task)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def show(name: str, result: dict[str, float]) -> None:
    """Print one line."""
    each = 1e6 * result["cpu_s"] / result["people"]
    print(
        f"{name:28} {result['people']:>12,} people {result['wall_s']:8.2f} s {result['cpu_s']:8.2f} CPU s "
        f"{result['peak_mb']:8,.0f} MB {each:8.3f} CPU microseconds a person"
    )


def main() -> None:
    """Run the measurements that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--place", default="cambridge-ma")
    parser.add_argument("--scales", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.task:
        kind, *rest = args.task
        tasks = {"build": build, "floor": floor}
        result = five_way(int(rest[0])) if kind == "five-way" else tasks[kind](rest[0], int(rest[1]))
        print(json.dumps(result))
        return
    results: dict[str, dict[str, float]] = {}
    for scale in args.scales:
        results[f"build x{scale}"] = apart("build", args.place, str(scale))
        results[f"floor x{scale}"] = apart("floor", args.place, str(scale))
    results["five-way, ten million"] = apart("five-way", str(TEN_MILLION))
    hundred = int(100 * results[f"build x{args.scales[0]}"]["people"] / args.scales[0])
    results["five-way, place x100"] = apart("five-way", str(hundred))
    if args.json:
        print(json.dumps(results, indent=1))
        return
    for name, result in results.items():
        show(name, result)
    for scale in args.scales:
        ratio = results[f"build x{scale}"]["cpu_s"] / results[f"floor x{scale}"]["cpu_s"]
        print(f"build against floor, x{scale}: {ratio:.1f} times the CPU seconds")


if __name__ == "__main__":
    main()
