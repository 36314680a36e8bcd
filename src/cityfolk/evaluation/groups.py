"""Groups of people whose texts are compared: by sex, age, origin, race, religion and income.

Groups of one attribute may overlap (people born in China are also foreign-born); each is compared with everybody else
of whom the attribute is known. What is not known of anybody gives no groups.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.tables.birth import birthplaces
from cityfolk.vocabulary import HISPANIC_SUFFIX, US_BIRTHPLACES

ATTRIBUTES = ("sex", "age", "origin", "race", "religion", "income")
FACTS = ("sex", "age", "birthplace", "nativity", "race_ethnicity", "religion", "income_usd")
"""The columns of people.parquet that groups are made from."""
AGES = ((0, 17), (18, 34), (35, 49), (50, 64), (65, 120))
FEWEST = 15
"""Fewer people than this on either side make no comparison."""
_NO_RELIGION = ("Atheist", "Agnostic", "Nothing in particular")
_CHRISTIAN = (
    *("Evangelical Protestant", "Mainline Protestant", "Catholic", "Mormon", "Orthodox Christian"),
    *("Jehovah's Witness", "Other Christian"),
)

Flags = NDArray[np.bool_]


def group_masks(
    facts: pl.DataFrame, attribute: str, fewest: int = FEWEST, *, opposites: bool = False
) -> tuple[Flags, dict[str, Flags]]:
    """Return who is known of, and {label: who belongs}, for one attribute; `facts` has a row a profile and FACTS.

    Groups with fewer than `fewest` people on either side are left out, as is a group that equals an earlier one or,
    unless `opposites`, everybody else: men are compared with women once.
    """
    frame = facts.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    known, groups = _MAKERS[attribute](frame)
    kept: dict[str, Flags] = {}
    for label, mask in groups.items():
        inside = mask & known
        others = known & ~inside
        if inside.sum() < fewest or others.sum() < fewest:
            continue
        doubles = [inside] if opposites else [inside, others]
        if not any(np.array_equal(one, old) for one in doubles for old in kept.values()):
            kept[label] = inside
    return known, kept


def region_of(birthplace: str, nativity: str | None = None) -> str:
    """Return the region of the world somebody was born in; "United States" for its states and islands.

    Georgia is a state and a country: nativity tells which.
    """
    if nativity == "native" or birthplace in US_BIRTHPLACES:
        return "United States"
    return _regions().get(birthplace, "United States" if nativity != "foreign-born" else "elsewhere")


@cache
def _regions() -> dict[str, str]:
    rows = birthplaces().select("country", "subregion", "region").iter_rows()
    return {country: "the Caribbean" if subregion == "Caribbean" else region for country, subregion, region in rows}


def _values(column: pl.Series) -> tuple[Flags, list[str | None]]:
    values = column.cast(pl.String).to_list()
    return np.array([value is not None for value in values], dtype=bool), values


def _each(values: list[str | None], labels: dict[str, str] | None = None) -> dict[str, Flags]:
    found = sorted({value for value in values if value is not None})
    array = np.array(values, dtype=object)
    return {(labels or {}).get(value, value): array == value for value in found}


def _sex(facts: pl.DataFrame) -> tuple[Flags, dict[str, Flags]]:
    known, values = _values(facts["sex"])
    return known, _each(values, {"female": "women", "male": "men"})


def _age(facts: pl.DataFrame) -> tuple[Flags, dict[str, Flags]]:
    ages = facts["age"].cast(pl.Float64).to_numpy()
    groups = {
        (f"{low} and over" if high == AGES[-1][1] else f"{low} to {high}"): (ages >= low) & (ages <= high)
        for low, high in AGES
    }
    return ~np.isnan(ages), groups


def _origin(facts: pl.DataFrame) -> tuple[Flags, dict[str, Flags]]:
    known, places = _values(facts["birthplace"])
    _, nativity = _values(facts["nativity"])
    abroad = np.array([value == "foreign-born" for value in nativity])
    groups = {"born abroad": abroad} if any(nativity) else {}
    regions = [None if p is None else region_of(p, n) for p, n in zip(places, nativity, strict=True)]
    # Countries first: a region of whom all were born in one country goes by the country's name.
    for label, mask in {**_each(places), **_each(list(regions))}.items():
        groups.setdefault(f"born in {label}" if label not in ("abroad of American parents",) else f"born {label}", mask)
    return known, groups


def _race(facts: pl.DataFrame) -> tuple[Flags, dict[str, Flags]]:
    known, values = _values(facts["race_ethnicity"])
    hispanic = np.array([value is not None and value.endswith(HISPANIC_SUFFIX) for value in values], dtype=bool)
    others = [None if value is None or value.endswith(HISPANIC_SUFFIX) else value for value in values]
    return known, {"Hispanic or Latino": hispanic, **_each(others)}


def _religion(facts: pl.DataFrame) -> tuple[Flags, dict[str, Flags]]:
    known, values = _values(facts["religion"])
    array = np.array(values, dtype=object)
    return known, {
        "no religion": np.isin(array.astype(str), _NO_RELIGION),
        "Christian": np.isin(array.astype(str), _CHRISTIAN),
        **_each(values),
    }


def _income(facts: pl.DataFrame) -> tuple[Flags, dict[str, Flags]]:
    income = facts["income_usd"].cast(pl.Float64).to_numpy()
    known = ~np.isnan(income)
    if not known.any():
        return known, {}
    low, high = np.quantile(income[known], [1 / 3, 2 / 3])
    return known, {"lowest third of income": income <= low, "highest third of income": income > high}


_MAKERS = {"sex": _sex, "age": _age, "origin": _origin, "race": _race, "religion": _religion, "income": _income}
