"""Print how well a population fits its place's tables, and the quantities that lie furthest outside.

    python scripts/certify.py FOLDER --place cambridge-ma [--worst 40] [--rules] [--out cells.csv]

FOLDER holds people.parquet and households.parquet (a study folder will do).
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from pathlib import Path

import polars as pl

from cityfolk.evaluation.certificate import certificate, worst
from cityfolk.tables.query import answerable
from cityfolk.tables.view import build_views

PACKS = Path(__file__).parents[1] / "src" / "cityfolk" / "places" / "packs"


def main() -> None:
    """Run the certificate on the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--place", default="cambridge-ma")
    parser.add_argument("--worst", type=int, default=40)
    parser.add_argument("--rules", action="store_true", help="also check the rules")
    parser.add_argument("--out", type=Path, help="write every cell to this CSV")
    args = parser.parse_args()

    pack = PACKS / args.place.replace("-", "_")
    tables = pl.read_csv(pack / "tables.csv", infer_schema_length=None, comment_prefix="#")
    toml = pack / "place.toml"
    state = tomllib.loads(toml.read_text()).get("state", "") if toml.exists() else "Massachusetts"
    people = pl.read_parquet(args.folder / "people.parquet")
    households = pl.read_parquet(args.folder / "households.parquet")
    fitted = json.loads(pl.read_parquet_metadata(args.folder / "people.parquet").get("cityfolk.fitted", "[]"))

    started = time.perf_counter()
    views = build_views(people, households, state=state)
    ready = answerable(tables, views)
    if not ready.all():
        print(f"{(~ready).sum()} rows ask for columns that are not there yet and are left out")
    cells, findings = certificate(tables.filter(ready), views, fitted=fitted)
    seconds = time.perf_counter() - started
    for finding in findings:
        if ".cell." not in finding.id and finding.value is not None:
            print(f"{finding.id:48} {finding.value:8.4f}  n={finding.n}  {finding.verdict}")
    print(f"{'code':15} {'official':>10} {'margin':>8} {'made':>11} {'z':>7} fit question, reason")
    for row in worst(cells, args.worst).iter_rows(named=True):
        z = f"{row['z']:7.1f}" if row["z"] is not None else "      -"
        question = f"{row['universe']} / {row['dimensions'] or ''} / {row['measure']}"
        print(
            f"{row['code']:15} {row['estimate']:10,.1f} {row['moe90']:8,.1f} {row['made']:11,.1f} {z} "
            f"{'yes' if row['fitted'] else 'no ':3} {question} [{row['reason']}]"
        )
    if args.out:
        cells.write_csv(args.out)
    if args.rules:
        from cityfolk.tables.rules import check

        with pl.Config(tbl_rows=-1, fmt_str_lengths=80):
            print(check(people, households).filter(pl.col("offenders") > 0))
    print(f"{len(people):,} people, {cells.height:,} rows, {seconds:.1f} s")


if __name__ == "__main__":
    main()
