"""One name for one quantity: official tables state many figures twice, in other words or as count and percent.

Two questions about the same set of rows get the same key when the sets are equal by the meaning of the columns: order
does not matter, conditions on one column are intersected, synonyms are resolved (in the labor force: employed,
unemployed or armed forces) and what another condition implies is dropped (an occupation implies employment, employment
implies 16 years and over).
"""

from __future__ import annotations

import math
from functools import lru_cache

from cityfolk.tables.birth import FOREIGN_REGIONS
from cityfolk.tables.columns import column_of
from cityfolk.tables.query import Condition, Interval, Query, interval
from cityfolk.vocabulary import ENROLLMENTS, MARITAL_STATUSES

Values = frozenset[str]
Allowed = Values | tuple[Interval, ...]
_ANY: Values = frozenset()

# (column, values that mean the same) -> (column, values): the wording on the right is the one kept.
_SYNONYMS: dict[tuple[str, Values], tuple[str, Values]] = {
    ("in_labor_force", frozenset({"yes"})): ("employment", frozenset({"employed", "unemployed", "armed forces"})),
    ("in_labor_force", frozenset({"no"})): ("employment", frozenset({"not in labor force"})),
    ("citizenship", frozenset({"born"})): ("nativity", frozenset({"native"})),
    ("citizenship", frozenset({"naturalized", "not a citizen"})): ("nativity", frozenset({"foreign-born"})),
    ("born_abroad", frozenset({"foreign-born"})): ("nativity", frozenset({"foreign-born"})),
}


def _ages(low: float, high: float = math.inf) -> tuple[Interval, ...]:
    return ((low, high),)


_FOREIGN = frozenset({"foreign-born"})
_AT_WORK = frozenset({"employed", "armed forces"})
# (column, values; none for any value) implies (column, allowed)
_IMPLIES: tuple[tuple[str, Values, str, Allowed], ...] = (
    *((name, _ANY, "employment", frozenset({"employed"})) for name in ("occupation", "industry", "class_of_worker")),
    ("commute_mode", _ANY, "employment", _AT_WORK),
    ("worker", frozenset({"yes"}), "employment", _AT_WORK),
    ("employment", _ANY, "age", _ages(16)),
    ("english", _ANY, "age", _ages(5)),
    ("enrollment", frozenset(ENROLLMENTS[1:]), "age", _ages(3)),
    ("marital_status", frozenset(MARITAL_STATUSES[1:]), "age", _ages(15)),
    *((name, _ANY, "own_child", frozenset({"yes"})) for name in ("parents", "parents_nativity")),
    ("parents_in_labor_force", _ANY, "own_child", frozenset({"yes"})),
    ("own_child", frozenset({"yes"}), "related_child", frozenset({"yes"})),
    ("related_child", frozenset({"yes"}), "age", _ages(-math.inf, 18)),
    ("family_type", _ANY, "kind", frozenset({"family"})),
    ("poverty_ratio", _ANY, "poverty_determined", frozenset({"yes"})),
    ("private_insurance", frozenset({"yes"}), "insured", frozenset({"yes"})),
    ("public_insurance", frozenset({"yes"}), "insured", frozenset({"yes"})),
    ("birth_region", frozenset(FOREIGN_REGIONS), "nativity", _FOREIGN),
    ("birth_subregion", _ANY, "nativity", _FOREIGN),
    ("birth_country", _ANY, "nativity", _FOREIGN),
    ("citizenship", frozenset({"naturalized"}), "nativity", _FOREIGN),
    ("citizenship", frozenset({"not a citizen"}), "nativity", _FOREIGN),
)


def _allowed(condition: Condition, entity: str) -> tuple[str, Allowed]:
    """Return a condition's column and what it lets through; text that is negated keeps a "!" on its column."""
    column = column_of(entity, condition.column)
    if column.kind == "number":
        spans = _union([interval(v) for v in condition.values])
        return condition.column, _complement(spans) if condition.negated else spans
    values = frozenset(condition.values)
    if condition.negated and column.kind == "text":
        return condition.column + "!", values
    if condition.negated:
        values = frozenset(column.categories or ("yes", "no")) - values
    prefix = "hhr_" if condition.column.startswith("hhr_") else ""
    name, kept = _SYNONYMS.get(
        (condition.column.removeprefix(prefix), values), (condition.column.removeprefix(prefix), values)
    )
    return prefix + name, kept


def _union(spans: list[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _complement(spans: tuple[Interval, ...]) -> tuple[Interval, ...]:
    edges = [-math.inf, *(edge for span in spans for edge in span), math.inf]
    return tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b)


def _intersection(a: Allowed, b: Allowed) -> Allowed:
    if isinstance(a, frozenset) and isinstance(b, frozenset):
        return a & b
    assert isinstance(a, tuple)
    assert isinstance(b, tuple)
    pairs = ((max(p[0], q[0]), min(p[1], q[1])) for p in a for q in b)
    return tuple((low, high) for low, high in pairs if low < high)


def _merge(into: dict[str, Allowed], name: str, allowed: Allowed) -> None:
    before = into.get(name)
    if before is None:
        into[name] = allowed
    elif name.endswith("!") and isinstance(before, frozenset) and isinstance(allowed, frozenset):
        into[name] = before | allowed
    else:
        into[name] = _intersection(before, allowed)


def _implied(stated: dict[str, Allowed], prefix: str) -> dict[str, Allowed]:
    """Return what the stated conditions imply about other columns, in the order of _IMPLIES (causes come first)."""
    known = dict(stated)
    implied: dict[str, Allowed] = {}
    for cause, values, effect, allowed in _IMPLIES:
        held = known.get(prefix + cause)
        if held is None or (values and not frozenset(held) <= values):
            continue
        _merge(implied, prefix + effect, allowed)
        _merge(known, prefix + effect, allowed)
    return implied


@lru_cache(maxsize=16384)
def _set_key(entity: str, conditions: tuple[Condition, ...]) -> str:
    stated: dict[str, Allowed] = {}
    if entity == "families":
        entity, stated["kind"] = "households", frozenset({"family"})
    for condition in conditions:
        _merge(stated, *_allowed(condition, entity))
    for prefix in ("", "hhr_"):
        for name, allowed in _implied(stated, prefix).items():
            if name in stated and _intersection(allowed, stated[name]) == allowed:
                del stated[name]
    return "|".join([entity, *(f"{name}={_text(stated[name])}" for name in sorted(stated))])


def _text(allowed: Allowed) -> str:
    if isinstance(allowed, frozenset):
        return ";".join(sorted(allowed))
    return ";".join(f"[{low:g},{high:g})" for low, high in allowed)


def canonical_key(query: Query) -> str:
    """Return the name of the quantity: a count and a percent of one set share it; other measures name themselves."""
    key = _set_key(query.entity, query.conditions)
    if query.measure in ("count", "percent"):
        return key
    return f"{query.measure}:{query.column} of {key}"


def denominator_key(query: Query) -> str:
    """Return the name of the set that a percent is taken of."""
    return _set_key(query.entity, query.universe)


def allowed_of(conditions: tuple[Condition, ...], entity: str) -> dict[str, Allowed]:
    """Return what a conjunction lets through, by column: sets of values, or intervals [low, high)."""
    result: dict[str, Allowed] = {}
    for condition in conditions:
        _merge(result, *_allowed(condition, entity))
    return result


def disjoint(a: dict[str, Allowed], b: dict[str, Allowed]) -> bool:
    """Tell whether no row can meet both conjunctions: some column they share has no value in common."""
    shared = (name for name in a.keys() & b.keys() if not name.endswith("!"))
    return any(not _intersection(a[name], b[name]) for name in shared)
