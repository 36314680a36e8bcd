"""How long a population takes, how much memory, and what a person costs as the place grows.

    python benchmarks/people.py [--place cambridge-ma] [--scales 1 10] [--json]

Every measurement runs in a process of its own (peak memory is that process's), one after the other:
 - build: the whole population of a place, at each scale (every count of its tables multiplied), and with --write both
   its tables as Parquet, whose seconds and peak are told apart; x100 takes 7 GB to build and 12 GB to write;
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
        "peak_mb": peak_mb(),
    }


def peak_mb() -> float:
    """Return the most memory that the process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def build(place: str, scale: int, folder: str = "") -> dict[str, float]:
    """Build everyone of a place; with a folder write both tables there, timed and weighed apart."""
    from cityfolk.people.build import build_people
    from cityfolk.places.pack import load_place

    pack, made = load_place(place), []

    def work() -> int:
        made.append(build_people(pack, 0, scale=scale))
        return made[0].people.height

    result = measured(work)
    result["households"] = made[0].households["kind"].is_in(["family", "nonfamily"]).sum()
    if folder:
        began, paths = time.perf_counter(), []
        for name in ("people", "households"):
            paths.append(Path(folder) / f"{name}_x{scale}.parquet")
            getattr(made[0], name).write_parquet(paths[-1], compression="zstd")
        result["write_s"] = time.perf_counter() - began
        result["written_mb"] = sum(path.stat().st_size for path in paths) / 2**20
        result["write_peak_mb"] = peak_mb()
    return result


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
    if "households" in result:
        print(f"{'':28} {result['households']:>12,} households")
    if "write_s" in result:
        print(
            f"{'':28} written in {result['write_s']:.1f} s, {result['written_mb']:,.0f} MB of Parquet, "
            f"peak {result['write_peak_mb']:,.0f} MB"
        )


def main() -> None:
    """Run the measurements that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--place", default="cambridge-ma")
    parser.add_argument("--scales", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--only", choices=("build", "floor", "five-way"), help="measure nothing else")
    parser.add_argument("--write", metavar="FOLDER", default="", help="write the tables of each build there")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.task:
        kind, *rest = args.task
        tasks = {
            "build": lambda place, scale, folder="": build(place, int(scale), folder),
            "floor": lambda place, scale: floor(place, int(scale)),
            "five-way": lambda people: five_way(int(people)),
        }
        print(json.dumps(tasks[kind](*rest)))
        return
    kinds = (args.only,) if args.only else ("build", "floor", "five-way")
    results: dict[str, dict[str, float]] = {}
    for scale in args.scales:
        if "build" in kinds:
            results[f"build x{scale}"] = apart("build", args.place, str(scale), *([args.write] if args.write else []))
        if "floor" in kinds:
            results[f"floor x{scale}"] = apart("floor", args.place, str(scale))
    if "five-way" in kinds:
        results["five-way, ten million"] = apart("five-way", str(TEN_MILLION))
    if not args.only:
        hundred = int(100 * results[f"build x{args.scales[0]}"]["people"] / args.scales[0])
        results["five-way, place x100"] = apart("five-way", str(hundred))
    if args.json:
        print(json.dumps(results, indent=1))
        return
    for name, result in results.items():
        show(name, result)
    for scale in args.scales if not args.only else ():
        ratio = results[f"build x{scale}"]["cpu_s"] / results[f"floor x{scale}"]["cpu_s"]
        print(f"build against floor, x{scale}: {ratio:.1f} times the CPU seconds")


if __name__ == "__main__":
    main()
