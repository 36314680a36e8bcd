"""Respondents whose way of answering is known: expected agreement, answers drawn from it, and tables of them."""

import numpy as np
import polars as pl

from cityfolk import rng
from cityfolk.evaluation.psychometrics.administration import Form
from cityfolk.evaluation.psychometrics.scoring import keys, trait_positions
from cityfolk.evaluation.psychometrics.sheets import PROBABILITIES, RESPONSES, TARGETS
from cityfolk.personality.inventory import inventory
from cityfolk.personality.norms import INSTRUMENT
from cityfolk.personality.reference import percentile_from_z, pomp_from_percentile, z_from_percentile
from cityfolk.vocabulary import TRAITS

ASCENDING, DESCENDING = Form(option_order=0), Form(option_order=1)
AGREES = 0.6


def vectors(n, *path):
    """Return percentiles (n, 5), independent and even between .03 and .97."""
    return rng.child(5, "planted", "vectors", *path).uniform(0.03, 0.97, size=(n, 5))


def obeys(target, instrument=INSTRUMENT):
    """Return agreement (n, items) that gives exactly the vector asked for."""
    made = np.empty((len(target), len(inventory(instrument))))
    for i, (trait, places) in enumerate(zip(TRAITS, trait_positions(instrument), strict=True)):
        made[:, places] = 1 + 4 * np.asarray(pomp_from_percentile(trait, target[:, i]))[:, None]
    return np.where(keys(instrument) > 0, made, 6 - made)


def ignores(target):
    """Return the agreement of somebody average, whatever is asked for."""
    return obeys(np.full_like(target, 0.5))


def agrees(target):
    """Return obedient answers drawn towards yes: on both keys together .3 above the middle."""
    return obeys(target) * (1 - AGREES / 4) + 5 * AGREES / 4


def overhears_negations(target):
    """Return answers to negated items as if they were not negated."""
    made = obeys(target)
    return np.where(keys(INSTRUMENT) > 0, made, 6 - made)


def kinder_when_open(target):
    """Return obedient answers in which half the openness requested, in z, is added to agreeableness."""
    z = z_from_percentile(target)
    z[:, 3] += 0.5 * z[:, 0]
    return obeys(np.asarray(percentile_from_z(z)))


def drawn(expected, stream):
    """Return whole answers with these expected values: binomial, as far apart as four coins."""
    return 1.0 + stream.binomial(4, np.clip((expected - 1) / 4, 0, 1))


def table(target, values, *, model="planted@1", condition="prompted", instrument=INSTRUMENT, forms=None, names=None):
    """Return responses.parquet of values (n, items), or (n, items, forms); NaN values are refusals."""
    value = values[:, :, None] if values.ndim == 2 else values
    forms = forms or [ASCENDING]
    n, items, count = value.shape
    names = names or [f"sobol-{i:02d}" for i in range(n)]
    grid = np.indices((n, items, count)).reshape(3, -1)
    numbers = np.array([item.number for item in inventory(instrument)])
    flat = value.ravel()
    kept = {
        "respondent_id": np.array(names)[grid[0]],
        "condition": condition,
        **{name: target[grid[0], i] for i, name in enumerate(TARGETS)},
        "engine": "planted",
        "model": model,
        "adapter": "",
        "instrument": instrument,
        "item_id": numbers[grid[1]],
        **{kind: np.array([getattr(form, kind) for form in forms])[grid[2]] for kind in Form.__dataclass_fields__},
        "value": flat,
        **dict.fromkeys(PROBABILITIES, None),
        "outcome": np.where(np.isnan(flat), "refused", "text"),
        "text": "",
        "prompt_hash": "",
        "seed": 0,
    }
    return pl.DataFrame(kept).with_columns(pl.col("value", *TARGETS).fill_nan(None)).cast(RESPONSES).select(*RESPONSES)
