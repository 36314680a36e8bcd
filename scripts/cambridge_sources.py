"""Read the source folder of the cambridge-ma pack and say it in the query language: one row a figure.

Every row keeps the estimate as it was published. Sums are taken only where the pack's categories are coarser than the
table's (education, two-race combinations) or the area is a sum of areas (five ZIP codes); their source says so.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

from cityfolk.places import acs

COLUMNS = (
    "table",
    "code",
    "universe",
    "geography",
    "dimensions",
    "measure",
    "estimate",
    "moe90",
    "vintage",
    "source",
)
Row = dict[str, str]
CITY = "Cambridge city, Massachusetts"
MAIN_VINTAGE = "ACS 5-year 2020-2024"
BUREAU = "U.S. Census Bureau"
ADULT_CITIZENS = "persons|age=18..|citizenship=born;naturalized"
CIVILIAN = "civilian=yes|institutional=no"


class Sources:
    """The rows found, and what the sources hold that cannot be said (code -> reason)."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.left_out: dict[str, str] = {}

    def add(
        self, table: str, code: str, universe: str, dimensions: str, measure: str, estimate: str, **rest: str
    ) -> None:
        """Keep one figure; `rest` may set moe90, geography, vintage and source."""
        self.rows.append(
            {
                "table": table,
                "code": code,
                "universe": universe,
                "geography": rest.get("geography", CITY),
                "dimensions": dimensions,
                "measure": measure,
                "estimate": estimate,
                "moe90": rest.get("moe90", ""),
                "vintage": rest.get("vintage", MAIN_VINTAGE),
                "source": rest["source"],
            }
        )


def read(path: Path) -> list[Row]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cambridge(places: Path) -> Sources:
    """Return every figure of the pack, recomputed from the folder of source files."""
    found = Sources()
    _acs(found, read(places / "cambridge_acs5_2024.csv"))
    _education(found, read(places / "cambridge_b15002.csv"))
    _other(found, read(places / "cambridge_other_figures.csv"))
    _zip_codes(found, read(places / "cambridge_zip_2010.csv"))
    return found


def _acs(found: Sources, rows: list[Row]) -> None:
    for row in rows:
        code, estimate = row["code"], row["estimate"]
        if not re.fullmatch(r"-?[\d.]+", estimate):
            found.left_out[code] = f"the Bureau publishes {estimate!r} in place of an estimate"
            continue
        meaning = acs.meaning(code)
        if meaning is None:
            found.left_out[code] = "no meaning in the query language"
            continue
        found.add(
            meaning.table,
            code,
            meaning.universe,
            meaning.dimensions,
            meaning.measure,
            estimate,
            moe90=row["moe90"] if re.fullmatch(r"[\d.]+", row["moe90"]) else "",
            source=f"{BUREAU}, American Community Survey 2020-2024 5-year estimates, table {meaning.table}",
        )


_DEGREES = {
    "less than high school": (
        "No schooling",
        "Nursery-4th",
        "5th-6th",
        "7th-8th",
        "9th",
        "10th",
        "11th",
        "12th no diploma",
    ),
    "high school": ("HS graduate",),
    "some college or associate's": ("Some college <1yr", "Some college 1+yr", "Associate"),
    "bachelor's": ("Bachelor",),
    "graduate or professional": ("Master", "Professional", "Doctorate"),
}


def _education(found: Sources, rows: list[Row]) -> None:
    published = {row["level"]: row for row in rows if row["acs5_year"] == "2024"}
    for sex in ("male", "female"):
        for education, levels in _DEGREES.items():
            found.add(
                "B15002",
                f"B15002:{sex}:{education}",
                f"persons|age=25..|sex={sex}",
                f"education={education}",
                "count",
                str(sum(int(published[level][sex]) for level in levels)),
                source=f"{BUREAU}, American Community Survey 2020-2024 5-year estimates, table B15002"
                + (f"; sum of {len(levels)} levels" if len(levels) > 1 else ""),
            )


_RACES = (
    "White",
    "Black or African American",
    "American Indian and Alaska Native",
    "Asian",
    "Native Hawaiian and Other Pacific Islander",
)
_MARITAL = {"married, not separated": "married"}
_RELIGION = {"Other World Religions": "Other world religion", "Other Faiths": "Other faith"}
_PARTY = {"Biden": "Democratic", "Trump": "Republican"}
_INCOME = {
    "<10k": "..9999",
    "10-15k": "10000..14999",
    "15-25k": "15000..24999",
    "25-35k": "25000..34999",
    "35-50k": "35000..49999",
    "50-75k": "50000..74999",
    "75-100k": "75000..99999",
    "100-150k": "100000..149999",
    "150-200k": "150000..199999",
    "200k+": "200000..",
}
# The seven numbers a difficulty has, in the order of the file. The third is the subtotal of the fourth and fifth for
# all six difficulties; the second is zero for every difficulty that is not asked of children under 5, so it is theirs
# and the first belongs to those aged 5 to 17.
_DISABILITY_AGES = {
    "5-17? / under 5": "5..17",
    "5-17": "..4",
    "18-64 subtotal?": "18..64",
    "18-34": "18..34",
    "35-64": "35..64",
    "65-74": "65..74",
    "75+": "75..",
}
_ASKED_FROM = {"cognitive": 5, "ambulatory": 5, "self_care": 5, "independent_living": 18}


def _span(ages: str) -> str:
    """Return "5-9" as "5..9", "85+" as "85..", "<10" as "..9"."""
    if ages.startswith("<"):
        return f"..{int(ages[1:]) - 1}"
    return ages[:-1] + ".." if ages.endswith("+") else ages.replace("-", "..")


def _other(found: Sources, rows: list[Row]) -> None:
    two_or_more = 0
    for row in rows:
        table, dims, estimate = row["table"], row["dimensions"], row["estimate"]
        parts = dict(part.split("=", 1) if "=" in part else (part, "yes") for part in dims.split("|"))
        source = f"{BUREAU}, {row['vintage']}, table {table}"
        common = {"vintage": row["vintage"], "source": source}
        if table == "S0101":
            span = "..4" if parts["age"] == "0-4" else _span(parts["age"])
            found.add(
                table,
                f"S0101:{parts['sex']}:{parts['age']}",
                "persons",
                f"age={span}|sex={parts['sex']}",
                "count",
                estimate,
                **common,
            )
        elif table == "P8" and ";" not in parts["race"]:
            race = parts["race"].replace("Some Other Race", "Some other race")
            found.add(table, f"P8:{race}", "persons", f"race={race}", "count", estimate, **common)
        elif table == "P8":
            two_or_more += int(estimate)
        elif table == "S1901":
            band = parts["household_income"]
            found.add(
                table, f"S1901:{band}", "households", f"income_usd={_INCOME[band]}", "percent", estimate, **common
            )
        elif table == "S1201":
            sex = "male" if row["universe"].startswith("males") else "female"
            status = _MARITAL.get(parts["marital"], parts["marital"])
            found.add(
                table,
                f"S1201:{sex}:{status}",
                f"persons|age=15..|sex={sex}",
                f"marital_status={status}",
                "percent",
                estimate,
                **common,
            )
        elif table == "S1401":
            found.add(
                table,
                f"S1401:{parts['age']}",
                f"persons|age={_span(parts['age'])}",
                "enrollment!=not enrolled",
                "percent",
                estimate,
                **common,
            )
        elif table == "S1810":
            _disability(found, parts, estimate, common)
        elif table == "Pew RLS":
            faith = _RELIGION.get(parts["religion"], parts["religion"])
            found.add(
                "RLS",
                f"RLS:{faith}",
                "persons|age=18..",
                f"religion={faith}",
                "percent",
                estimate,
                geography="Boston metropolitan area",
                vintage="Religious Landscape Study (year not stated)",
                source="Pew Research Center, Religious Landscape Study, Boston metropolitan area; adults",
            )
        elif table == "Election":
            party = _PARTY[parts["vote"]]
            found.add(
                "Election 2020",
                f"Election:{party}",
                ADULT_CITIZENS,
                f"party={party}",
                "percent",
                estimate,
                vintage="presidential election 2020",
                source="Presidential election of November 2020, unofficial result for Cambridge; "
                "the share is of those who voted, here taken for all adult citizens",
            )
        else:
            found.left_out[f"{table}:{dims}"] = "people.parquet has no such attribute"
    found.add(
        "P8",
        "P8:Two or more races",
        "persons",
        "race=Two or more races",
        "count",
        str(two_or_more + 792),
        vintage="2020 Census DHC",
        source=f"{BUREAU}, 2020 Census DHC, table P8; sum of 15 pairs and 792 people of three or more races",
    )


def _disability(found: Sources, parts: Row, estimate: str, common: Row) -> None:
    kind, ages = parts["disability"], _DISABILITY_AGES[parts["age"]]
    code = f"S1810:{kind}:{ages}"
    youngest = int(ages.partition("..")[0] or 0)
    if youngest < _ASKED_FROM.get(kind, 0):
        found.left_out[code] = "the question is not asked at these ages"
        return
    found.add(
        "S1810",
        code,
        f"persons|age={ages}|{CIVILIAN}",
        f"disability_{kind}=yes",
        "percent",
        estimate,
        vintage=common["vintage"],
        source=common["source"] + "; age labels inferred",
    )


_ZIP_AREA = "ZIP codes 02138 to 02142"
_ZIP_KINDS = {
    "married family": ("households", "family_type=married couple"),
    "other family": ("households", "family_type=female householder;male householder"),
    "1 person": ("households", "kind=nonfamily|size=1"),
    "nonfamily 2+": ("households", "kind=nonfamily|size=2.."),
}
_ZIP_GQ = {
    "correctional": "correctional",
    "juvenile": "juvenile",
    "nursing": "nursing facility",
    "other inst": "other institutional",
    "college": "student housing",
    "other noninst": "other",
}
_ZIP_EARNINGS = {
    "<10k": "1..9999",
    "10-20k": "10000..19999",
    "20-30k": "20000..29999",
    "30-40k": "30000..39999",
    "40-50k": "40000..49999",
    "50-65k": "50000..64999",
    "65-75k": "65000..74999",
    "75-100k": "75000..99999",
    "100k+": "100000..",
}


def _zip_codes(found: Sources, rows: list[Row]) -> None:
    totals: Counter[tuple[str, str]] = Counter()
    for row in rows:
        totals[row["variable"], row["category"]] += int(row["count"])
    census = {
        "geography": _ZIP_AREA,
        "vintage": "2010 Census",
        "source": f"{BUREAU}, 2010 Census, Summary File 1; sum of five ZIP code areas",
    }
    survey = {
        "geography": _ZIP_AREA,
        "vintage": "older ACS (year not stated)",
        "source": f"{BUREAU}, an older American Community Survey; sum of five ZIP code areas",
    }
    for (variable, category), count in totals.items():
        code, estimate = f"ZIP:{variable}:{category}", str(count)
        if variable == "household type":
            universe, dims = _ZIP_KINDS[category]
            found.add("SF1 households", code, universe, dims, "count", estimate, **census)
        elif variable == "group quarters":
            found.add(
                "SF1 group quarters",
                code,
                "persons|living=group quarters",
                f"hh_gq_type={_ZIP_GQ[category]}",
                "count",
                estimate,
                **census,
            )
        elif variable.startswith("householder age"):
            tenure = variable.split()[-1]
            found.add(
                "SF1 tenure",
                code,
                f"households|tenure={tenure}",
                f"hhr_age={_span(category)}",
                "count",
                estimate,
                **census,
            )
        elif variable.startswith("travel time"):
            found.add(
                "ZIP travel time",
                code,
                "persons|age=16..|commute_mode!=worked from home|worker=yes",
                f"commute_minutes={_span(category)}",
                "count",
                estimate,
                **survey,
            )
        elif variable == "individual earnings":
            found.add(
                "ZIP earnings",
                code,
                "persons|age=16..|earnings_usd=1..",
                f"earnings_usd={_ZIP_EARNINGS[category]}",
                "count",
                estimate,
                **{**survey, "source": survey["source"] + "; in dollars of those years"},
            )
        else:
            found.left_out[code] = "ages of 2010; S0101 of 2022 is newer and of the same detail"
