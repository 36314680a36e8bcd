"""What else than the vector speaks: the share of what is expressed that nationality, language, sex, age, faith explain.

The same vectors answer the same questions under every value of a factor, so blocks of (question, vector) hold all else
equal. Within blocks, a share is eta^2 adjusted for chance (omega^2; Hays 1963): 0 on average where the factor does
nothing, a little below or above it by luck. Its interval inverts the noncentral F distribution (Steiger 2004, "Beyond
the F test", Psychological Methods 9), taking answers within blocks as independent. The share of several measures
together (five traits, all emotions) is that of their sums of squares, its interval by drawing blocks anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.control.draws import Draws, estimate
from cityfolk.evaluation.control.telling import told
from cityfolk.evaluation.corpus import Detail, Evidence
from cityfolk.evaluation.statistics import LEVEL, Estimate, holm
from cityfolk.types import Finding

Floats = NDArray[np.float64]
FACTORS = ("nationality", "language", "sex", "age", "religion")
BLOCK = ("question_id", "target_name")
ALPHA = 0.05
LEAST = 0.01
"""A share smaller than this raises no alarm, however sure it is."""
FEWEST = 30
RESAMPLES = 400
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The share of the variance within blocks that a factor explains: raw, adjusted for chance, F and its p."""

    eta: float
    omega: Estimate
    f: float
    p: float
    n: int
    levels: int


def variance_share(values: Floats, levels: Sequence[str], blocks: Sequence[str], level: float = LEVEL) -> Share:
    """Return the share of the variance of (n,) values within blocks that (n,) levels explain.

    Blocks with one row say nothing and are left out. DataError where fewer than two levels or thirty rows are left.
    """
    from scipy.stats import f as f_distribution

    y, dummies, dropped, _ = _within(np.asarray(values, dtype=np.float64)[:, None], levels, blocks)
    n, rank = len(y), int(np.linalg.matrix_rank(dummies)) if dummies.size else 0
    free = n - dropped - rank
    if rank < 1 or n < FEWEST or free < 2:
        raise DataError(
            f"{n} answers under {len(set(levels))} values can't tell what a factor explains",
            hint="ask the same questions of the same vectors under every value",
        )
    between, total = _sums(y, dummies)
    rest = max(float(total[0] - between[0]), 0.0)
    whole = float(total[0])
    if whole <= _TINY * n:
        return Share(eta=0.0, omega=Estimate(0.0, 0.0, 0.0), f=0.0, p=1.0, n=n, levels=rank + 1)
    error = rest / free
    statistic = float(between[0]) / rank / error if error > _TINY * whole else float("inf")
    omega = (float(between[0]) - rank * error) / (whole + error)
    low, high = (_share(bound, n - dropped) for bound in _noncentral(statistic, rank, free, level))
    p = float(f_distribution.sf(statistic, rank, free))
    eta = float(between[0]) / whole
    return Share(eta=eta, omega=Estimate(omega, low, high, p), f=statistic, p=p, n=n, levels=rank + 1)


def joint_share(values: Floats, levels: Sequence[str], blocks: Sequence[str], seed: int, *path: str) -> Estimate:
    """Return the adjusted share of (n, m) measures together, with its interval by drawing blocks anew.

    Measures count by their variance: emotions that are hardly there hardly count. Standardise them to count alike.
    """
    y, dummies, dropped, block = _within(np.asarray(values, dtype=np.float64), levels, blocks)
    rank = int(np.linalg.matrix_rank(dummies))
    free = len(y) - dropped - rank
    _, place = np.unique(block, return_inverse=True)
    count = int(place.max()) + 1
    draws = Draws.of(count, "blocks", rng.child(seed, "evaluation", "control", "culture", *path), RESAMPLES)
    k, m = dummies.shape[1], y.shape[1]
    gram = draws.sums(np.einsum("ni,nj->nij", dummies, dummies).reshape(len(y), -1), place).reshape(-1, k, k)
    cross = draws.sums(np.einsum("ni,nj->nij", dummies, y).reshape(len(y), -1), place).reshape(-1, k, m)
    total = draws.sums((y**2).sum(axis=1)[:, None], place)[:, 0]
    between = np.einsum("rkm,rkm->r", cross, np.linalg.pinv(gram) @ cross)
    # What luck adds: rank times the error's mean square, and of a draw, luck on luck, twice that.
    luck = rank * (total[0] - between[0]) / free
    with np.errstate(invalid="ignore", divide="ignore"):
        adjusted = (between - np.where(np.arange(len(total)) == 0, 1, 2) * luck) / (total + luck / rank)
    return estimate(np.asarray(adjusted), count)


def _within(
    values: Floats, levels: Sequence[str], blocks: Sequence[str]
) -> tuple[Floats, Floats, int, NDArray[np.str_]]:
    """Return values and dummies of the levels, both less their block's mean, how many blocks, and the blocks."""
    block, level = np.asarray(blocks).astype(str), np.asarray(levels).astype(str)
    known = np.isfinite(values).all(axis=1)
    _, place, sizes = np.unique(block[known], return_inverse=True, return_counts=True)
    several = sizes[place] > 1
    rows = np.flatnonzero(known)[several]
    if not len(rows):
        return np.zeros((0, values.shape[1])), np.zeros((0, 1)), 0, np.zeros(0, dtype=str)
    _, place = np.unique(block[rows], return_inverse=True)
    labels = np.unique(level[rows])
    dummies = (level[rows][:, None] == labels[:-1]).astype(np.float64)
    return _freed(values[rows], place), _freed(dummies, place), int(place.max()) + 1, block[rows]


def _freed(columns: Floats, place: NDArray[np.intp]) -> Floats:
    if not columns.shape[1]:
        return columns
    count = int(place.max()) + 1
    sums = np.column_stack([np.bincount(place, weights=column, minlength=count) for column in columns.T])
    return np.asarray(columns - (sums / np.bincount(place)[:, None])[place])


def _sums(y: Floats, dummies: Floats) -> tuple[Floats, Floats]:
    fitted = dummies @ np.linalg.lstsq(dummies, y, rcond=None)[0]
    return (fitted**2).sum(axis=0), (y**2).sum(axis=0)


def _noncentral(statistic: float, rank: int, free: int, level: float) -> tuple[float, float]:
    """Return the noncentralities under which an F as large, or as small, is as rare as the level allows."""
    from scipy.optimize import brentq
    from scipy.special import ncfdtr

    if not np.isfinite(statistic):
        return float("inf"), float("inf")

    def bound(share: float) -> float:
        def gap(lam: float) -> float:
            return float(ncfdtr(rank, free, lam, statistic)) - share

        if gap(0.0) <= 0:
            return 0.0
        top = max(10.0, 4 * rank * statistic)
        while gap(top) > 0 and top < 1e7:
            top *= 2
        return float(brentq(gap, 0.0, top, xtol=1e-6))

    return bound((1 + level) / 2), bound((1 - level) / 2)


def _share(noncentrality: float, n: int) -> float:
    return 1.0 if not np.isfinite(noncentrality) else noncentrality / (noncentrality + n)


def culture_evidence(
    table: pl.DataFrame,
    outcomes: Mapping[str, Sequence[str]],
    *,
    factors: Sequence[str] = FACTORS,
    seed: int = 0,
) -> Evidence:
    """Return what each factor explains of each measure, and of each family of measures together.

    `table` has a row an answer (and judge, if `judge` is a column): question_id, target_name, a column a factor (null
    where it wasn't given) and a column a measure. `outcomes` names families: {"personality": five columns, ...}. A
    share is outside if it is surely above 0, over all factors and measures (Holm), and not tiny.
    """
    needed = {*BLOCK, *(name for names in outcomes.values() for name in names)}
    if missing := needed - set(table.columns):
        raise DataError(f"the table lacks the columns {', '.join(sorted(missing))}", hint="one row an answer")
    shares: list[tuple[Finding, float]] = []
    together: list[Finding] = []
    details: list[Detail] = []
    judges = table["judge"].unique().sort().to_list() if "judge" in table.columns else [""]
    for judge in judges:
        own = table.filter(pl.col("judge") == judge) if judge else table
        for factor in factors:
            if factor not in own.columns:
                continue
            rows = own.filter(pl.col(factor).is_not_null())
            if rows.height < FEWEST or rows[factor].n_unique() < 2:
                continue
            end = f"@{judge}" if judge else ""
            for family, names in outcomes.items():
                shares += _each(rows, factor, names, end)
                together += _joint(rows, factor, family, names, end, seed)
            details += _levels(rows, factor, outcomes, judge)
    return Evidence((*together, *_settled(shares)), tuple(details))


def _blocks(rows: pl.DataFrame) -> list[str]:
    return rows.select(pl.concat_str(list(BLOCK), separator="\x1f")).to_series().to_list()


def _each(rows: pl.DataFrame, factor: str, names: Sequence[str], end: str) -> Iterator[tuple[Finding, float]]:
    levels, blocks = rows[factor].cast(pl.String).to_list(), _blocks(rows)
    for name in names:
        values = rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        try:
            found = variance_share(values, levels, blocks)
        except DataError:
            continue
        note = f"omega^2 within question and vector, {found.levels} values; raw eta^2 {found.eta:.3f}; noncentral F"
        title = f"Share of {_plain(name)} that {factor} explains at the same vector"
        yield (
            told(f"culture.{factor}.{name}{end}", title, found.omega, found.n, "share", note, expected=0.0),
            found.p,
        )


def _joint(
    rows: pl.DataFrame, factor: str, family: str, names: Sequence[str], end: str, seed: int
) -> Iterator[Finding]:
    if len(names) < 2:
        return
    values = np.array(rows.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in names).to_numpy())
    if np.isfinite(values).all(axis=1).sum() < FEWEST:
        return
    found = joint_share(values, rows[factor].cast(pl.String).to_list(), _blocks(rows), seed, factor, family, end)
    title = f"Share of {_plain(family)}, {len(names)} measures together, that {factor} explains at the same vector"
    note = "omega^2 within question and vector; 90% by drawing blocks anew"
    yield told(f"culture.{factor}.all.{family}{end}", title, found, rows.height, "share", note, expected=0.0)


def _settled(shares: Sequence[tuple[Finding, float]]) -> Iterator[Finding]:
    if not shares:
        return
    for (found, _), p in zip(shares, holm([p for _, p in shares]), strict=True):
        raised = p <= ALPHA and (found.value or 0.0) >= LEAST
        note = f"{found.note}; Holm-corrected p = {p:.2g}, alarm from {LEAST}"
        yield replace(found, verdict="outside" if raised else "inside", note=note)


def _levels(rows: pl.DataFrame, factor: str, outcomes: Mapping[str, Sequence[str]], judge: str) -> Iterator[Detail]:
    """Yield how far each value of a factor lies from the mean of its blocks, measure by measure."""
    block = pl.concat_str(list(BLOCK), separator="\x1f")
    for names in outcomes.values():
        for name in names:
            own = rows.select(factor, name, block.alias("block")).drop_nulls()
            gaps = own.with_columns(gap=pl.col(name) - pl.col(name).mean().over("block"))
            each = gaps.group_by(factor).agg(
                pl.col("gap").mean(), se=pl.col("gap").std() / pl.len().cast(pl.Float64).sqrt()
            )
            for label, gap, error in each.sort(factor).iter_rows():
                half = 1.6448536269514722 * (error or 0.0)
                yield Detail(
                    name=f"control.culture.{factor}",
                    source=judge,
                    group=name,
                    label=str(label),
                    value=gap,
                    low=gap - half,
                    high=gap + half,
                )


def _plain(name: str) -> str:
    return name.removeprefix("z_").replace("_", " ")
