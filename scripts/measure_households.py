"""Measure who lives with whom in public-use microdata and write people/household_shapes.json.

    python scripts/measure_households.py DATA     # DATA holds pums/delaware_2013_*.csv

The result is counts and shares only (ages in bands, roles, gaps, sharing); no record is copied. The sample, American
Community Survey PUMS 2013 of Delaware, links households to persons; it is taken unweighted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl

BANDS = [0, 6, 15, 16, 18, 20, 22, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85]
COARSE = [18, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 85]
OUT = Path(__file__).parents[1] / "src" / "cityfolk" / "people" / "household_shapes.json"
RACES = {
    1: "White", 2: "Black or African American", 3: "American Indian and Alaska Native",
    4: "American Indian and Alaska Native", 5: "American Indian and Alaska Native", 6: "Asian",
    7: "Native Hawaiian and Other Pacific Islander", 8: "Some other race", 9: "Two or more races",
}  # fmt: skip
NORTHEAST = {9, 23, 25, 33, 34, 36, 42, 44, 50}


def band(ages: pl.Expr, cuts: list[int] = BANDS) -> pl.Expr:
    """Return the index of the band that an age lies in."""
    return pl.sum_horizontal([(ages >= c).cast(pl.Int32) for c in cuts]) - 1


# PUMS 2013 codes of place of birth (POBP) by the groups that race and Hispanic origin are measured for.
_EAST, _WEST = (
    (207, 209, 215, 217, 228, 240),
    (158, 159, 161, 208, 212, 213, 214, 216, 222, 224, 235, 239, 243, 245, 248),
)
_SOUTH_CENTRAL = (200, 202, 203, 210, 218, 219, 229, 231, 238, 241, 246)
_SPANISH_CARIBBEAN, _CARIBBEAN = (327, 329), tuple(range(320, 345))
_NORTH_AFRICA = (400, 414, 430, 436, 451, 456)


def region(code: pl.Expr) -> pl.Expr:
    """Return the group of countries that a place of birth belongs to."""
    return (
        pl.when(code < 60).then(pl.lit("US"))
        .when(code == 72).then(pl.lit("Puerto Rico"))
        .when(code < 100).then(pl.lit("US Island Areas"))
        .when(code.is_in(_WEST)).then(pl.lit("Western Asia"))
        .when(code < 200).then(pl.lit("Europe"))
        .when(code.is_in(_EAST)).then(pl.lit("Eastern Asia"))
        .when(code.is_in(_SOUTH_CENTRAL)).then(pl.lit("South Central Asia"))
        .when(code < 300).then(pl.lit("South Eastern Asia"))
        .when(code.is_in([300, 301])).then(pl.lit("Northern America"))
        .when(code.is_in(_SPANISH_CARIBBEAN)).then(pl.lit("Spanish Caribbean"))
        .when(code.is_in(_CARIBBEAN)).then(pl.lit("Caribbean"))
        .when(code == 362).then(pl.lit("Brazil"))
        .when(code < 320).then(pl.lit("Central America"))
        .when(code < 400).then(pl.lit("South America"))
        .when(code.is_in(_NORTH_AFRICA)).then(pl.lit("Northern Africa"))
        .when(code < 500).then(pl.lit("Africa"))
        .otherwise(pl.lit("Oceania"))
    )  # fmt: skip


def read(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return persons in households with their kind of household, and everyone."""
    everyone = pl.read_csv(folder / "delaware_2013_persons.csv", null_values="NA").with_columns(
        region(pl.col("POBP")).alias("region"),
        pl.col("RAC1P").replace_strict(RACES).alias("race"),
        (pl.col("HISP") > 1).alias("hispanic"),
    )
    members = everyone.filter(pl.col("RELP") < 16)
    kinds = members.group_by("SERIALNO").agg(
        (pl.col("RELP") == 1).any().alias("couple"),
        pl.col("RELP").is_in([2, 3, 4, 5, 6, 7, 8, 9, 10]).any().alias("kin"),
        pl.len().alias("size"),
    )
    members = members.join(kinds, on="SERIALNO", maintain_order="left")
    own = pl.col("RELP").is_in([2, 3, 4]) & (pl.col("AGEP") < 18)
    head, family = pl.col("RELP") == 0, pl.col("couple") | pl.col("kin")
    members = members.with_columns(
        pl.when(pl.col("couple") & head).then(pl.lit("couple head"))
        .when(pl.col("RELP") == 1).then(pl.lit("couple spouse"))
        .when(pl.col("couple") & own).then(pl.lit("couple child"))
        .when("couple").then(pl.lit("couple other"))
        .when(family & head).then(pl.lit("family head"))
        .when(family & own).then(pl.lit("family child"))
        .when(family).then(pl.lit("family other"))
        .when(head & (pl.col("size") == 1)).then(pl.lit("alone"))
        .when(head).then(pl.lit("shared head"))
        .otherwise(pl.lit("housemate")).alias("position")
    )  # fmt: skip
    return members, everyone


def positions(members: pl.DataFrame, everyone: pl.DataFrame) -> dict[str, list[list[int]]]:
    """Count persons by position, sex (female, male) and age band."""
    placed = pl.concat(
        [
            members.select("position", "SEX", "AGEP"),
            everyone.filter(pl.col("RELP") == 16).select(pl.lit("institution").alias("position"), "SEX", "AGEP"),
            everyone.filter((pl.col("RELP") == 17) & (pl.col("SCH") > 1)).select(
                pl.lit("student").alias("position"), "SEX", "AGEP"
            ),
            everyone.filter((pl.col("RELP") == 17) & (pl.col("SCH") == 1)).select(
                pl.lit("other quarters").alias("position"), "SEX", "AGEP"
            ),
        ]
    ).with_columns(band(pl.col("AGEP")).alias("band"))
    result = {}
    for name in sorted(placed["position"].unique()):
        counts = np.zeros((2, len(BANDS)), int)
        for sex, b in placed.filter(pl.col("position") == name).select("SEX", "band").iter_rows():
            counts[2 - sex, b] += 1
        result[name] = counts.tolist()
    return result


def other_roles(members: pl.DataFrame) -> dict[str, dict[str, list[int]]]:
    """Count the roles of other members of families by age band."""
    names = {2: "child", 3: "child", 4: "child", 5: "sibling", 6: "parent", 8: "parent", 7: "grandchild",
             9: "other relative", 10: "other relative", 13: "unmarried partner"}  # fmt: skip
    result: dict[str, dict[str, list[int]]] = {}
    rows = members.filter(pl.col("position").is_in(["couple other", "family other"]))
    rows = rows.with_columns(band(pl.col("AGEP")).alias("band"))
    for position, relp, b in rows.select("position", "RELP", "band").iter_rows():
        role = names.get(relp, "housemate")
        result.setdefault(position, {}).setdefault(role, [0] * len(BANDS))[b] += 1
    return result


def couples(members: pl.DataFrame) -> dict[str, object]:
    """Measure wedded couples: ages in bands (husband, wife), nativity, country, race, same sex, who is householder."""
    keep = members.filter(pl.col("RELP").is_in([0, 1]) & pl.col("couple"))
    keep = keep.with_columns(band(pl.col("AGEP"), COARSE).clip(0).alias("b"))
    pairs = keep.filter(pl.col("RELP") == 0).join(keep.filter(pl.col("RELP") == 1), on="SERIALNO", suffix="_s")
    same = pairs.filter(pl.col("SEX") == pl.col("SEX_s"))
    mixed = pairs.filter(pl.col("SEX") != pl.col("SEX_s"))
    ages = np.zeros((len(COARSE), len(COARSE)), int)
    gaps: dict[int, int] = {}
    for sex, b, bs, a, as_ in mixed.select("SEX", "b", "b_s", "AGEP", "AGEP_s").iter_rows():
        ages[(b, bs) if sex == 1 else (bs, b)] += 1
        gap = int(np.clip(a - as_ if sex == 1 else as_ - a, -12, 20))
        gaps[gap] = gaps.get(gap, 0) + 1
    nativity = np.zeros((2, 2), int)
    for a, b in pairs.select("NATIVITY", "NATIVITY_s").iter_rows():
        nativity[a - 1, b - 1] += 1
    foreign = pairs.filter((pl.col("NATIVITY") == 2) & (pl.col("NATIVITY_s") == 2))
    return {
        "n": len(pairs),
        "husband_by_wife_band": ages.tolist(),
        "husband_minus_wife_years": {str(k): gaps[k] for k in sorted(gaps)},
        "nativity": nativity.tolist(),
        "same_sex": len(same),
        "male_householder_share": round(float((mixed["SEX"] == 1).mean()), 4),
        "foreign_same_country_share": round(float((foreign["POBP"] == foreign["POBP_s"]).mean()), 4),
        "same_race_share": round(float((pairs["race"] == pairs["race_s"]).mean()), 4),
    }


def children(members: pl.DataFrame) -> dict[str, object]:
    """Measure own children under 18: how many to a family, age of the mother (or lone parent) at birth."""
    heads = members.filter(pl.col("position").is_in(["couple head", "couple spouse", "family head"]))
    kids = members.filter(pl.col("position").is_in(["couple child", "family child"]))
    wives = heads.filter((pl.col("position") == "family head") | (pl.col("SEX") == 2)).unique(
        "SERIALNO", keep="first", maintain_order=True
    )
    linked = kids.join(wives.select("SERIALNO", pl.col("AGEP").alias("mother"), "position"), on="SERIALNO")
    linked = linked.with_columns((pl.col("mother") - pl.col("AGEP")).clip(15, 49).alias("gap"))
    result: dict[str, object] = {}
    for key, name in (("couple", "couple child"), ("family", "family child")):
        mine = linked.filter(pl.col("position") == name)
        gaps = mine["gap"].value_counts().sort("gap")
        sizes = kids.filter(pl.col("position") == name).group_by("SERIALNO").len()["len"].clip(1, 6)
        result[key] = {
            "age_at_birth": {str(g): int(n) for g, n in gaps.iter_rows()},
            "families_by_children": [int((sizes == k).sum()) for k in range(1, 7)],
        }
        owners = wives.filter(pl.col("position").str.starts_with(key))
        owners = owners.with_columns(band(pl.col("AGEP"), COARSE).clip(0).alias("b"))
        with_kids = owners.filter(pl.col("SERIALNO").is_in(mine["SERIALNO"].unique().implode()))
        result[key]["share_with_children_by_band"] = [  # type: ignore[index]
            round(len(with_kids.filter(pl.col("b") == b)) / max(len(owners.filter(pl.col("b") == b)), 1), 4)
            for b in range(len(COARSE))
        ]
    result["foreign_born_children"] = _foreign_children(members, kids)
    return result


def _foreign_children(members: pl.DataFrame, kids: pl.DataFrame) -> dict[str, list[int]]:
    """Count own children (all, foreign-born) by how many parents live with them and how many are foreign-born."""
    parents = (
        members.filter(pl.col("RELP").is_in([0, 1]))
        .group_by("SERIALNO")
        .agg(pl.len().alias("parents"), (pl.col("NATIVITY") == 2).sum().alias("foreign"))
    )
    counts = (
        kids.join(parents, on="SERIALNO")
        .group_by("parents", "foreign")
        .agg(pl.len().alias("all"), (pl.col("NATIVITY") == 2).sum().alias("born abroad"))
    )
    return {f"{p} parents, {f} foreign-born": [n, b] for p, f, n, b in sorted(counts.iter_rows())}


def sharing(members: pl.DataFrame) -> dict[str, object]:
    """Measure households without family and the sizes of families."""
    sizes = members.filter(pl.col("position") == "shared head")["size"].clip(2, 7)
    partner = members.filter(pl.col("position") == "housemate")
    with_partner = partner.filter(pl.col("RELP") == 13)["SERIALNO"].n_unique()
    of = members.filter(pl.col("position").str.starts_with("couple") | pl.col("position").str.starts_with("family"))
    related = of.filter(pl.col("RELP") <= 10)
    by = dict(related.group_by("couple").agg(pl.len() / pl.col("SERIALNO").n_unique()).iter_rows())
    heads = members.filter(pl.col("RELP") == 0)
    return {
        "shared_by_size": [int((sizes == k).sum()) for k in range(2, 8)],
        "with_partner_share": round(with_partner / len(sizes), 4),
        "alone_share_of_nonfamily": round(
            len(heads.filter(pl.col("position") == "alone"))
            / len(heads.filter(pl.col("position").is_in(["alone", "shared head"]))), 4),
        "couple_share_of_families": round(
            len(heads.filter(pl.col("position") == "couple head"))
            / len(heads.filter(pl.col("position").is_in(["couple head", "family head"]))), 4),
        "couple_family_size": round(by[True], 4),
        "other_family_size": round(by[False], 4),
        "nonrelatives_share_of_family_members": round(1 - len(related) / len(of), 4),
        "couple_share_of_own_children": round(
            len(members.filter(pl.col("position") == "couple child"))
            / len(members.filter(pl.col("position").is_in(["couple child", "family child"]))), 4),
    }  # fmt: skip


def origins(everyone: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Count race and Hispanic origin by region of birth: "Asian", "White, Hispanic or Latino" and so on."""
    label = pl.col("race") + pl.when("hispanic").then(pl.lit(", Hispanic or Latino")).otherwise(pl.lit(""))
    counts = everyone.group_by("region", label.alias("label")).len().sort("region", "label")
    result: dict[str, dict[str, int]] = {}
    for place, name, n in counts.iter_rows():
        result.setdefault(place, {})[name] = int(n)
    return result


def born_in_state(everyone: pl.DataFrame) -> list[list[int]]:
    """Count natives and those of them born in the state they live in (Delaware, code 10), by age band."""
    natives = everyone.filter(pl.col("NATIVITY") == 1).with_columns(band(pl.col("AGEP")).alias("band"))
    result = []
    for b in range(len(BANDS)):
        mine = natives.filter(pl.col("band") == b)
        result.append([len(mine), int((mine["POBP"] == 10).sum())])
    return result


def main() -> None:
    """Measure and write."""
    folder = Path(sys.argv[1]) / "pums"
    members, everyone = read(folder)
    delaware = "ACS PUMS 2013, Delaware, 8,767 persons in 4,449 linked households (unweighted)"
    shapes = {
        "source": delaware,
        "bands": BANDS,
        "coarse_bands": COARSE,
        "positions": positions(members, everyone),
        "other_roles": other_roles(members),
        "couples": couples(members),
        "children": children(members),
        "sharing": sharing(members),
        "origins": origins(everyone),
        "natives_and_born_in_state": born_in_state(everyone),
    }
    OUT.write_text(json.dumps(shapes, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
