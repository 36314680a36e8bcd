"""How many people stand at each position of a household, where the tables say it only together.

Official tables give families, people in married-couple families, the mean size of families, own children by parents
and the universe of poverty status. The rest follows: couples, other families, people who live alone, housemates, and
who among those in group quarters is a student or in an institution.
"""

from __future__ import annotations

import numpy as np

from cityfolk.errors import DataError
from cityfolk.people.core_people import HEADS, Cells, position
from cityfolk.people.core_tables import Facts, household_shapes
from cityfolk.people.raking import Target
from cityfolk.tables.query import mask
from cityfolk.tables.view import View

FAMILY = ("couple head", "couple spouse", "couple child", "couple other", "family head", "family child", "family other")


def couples_among(facts: Facts, families: float) -> float:
    """Return how many of the families are married couples: the tables' own count, else by two routes.

    The routes, their odds averaged geometrically where both are open: people in married-couple families against other
    family members, with the microdata's ratio of family sizes; and the place's older count of family types.
    """
    stated = facts.value("families", "family_type=married couple")
    if stated is not None:
        return stated
    sharing = household_shapes()["sharing"]
    odds = []
    people, share = facts.value("persons"), facts.share("persons", "living=married-couple family")
    size = facts.value("families", "", "mean:n_family")
    if people is not None and share is not None and size is not None:
        in_couples = people * share * (1 - sharing["nonrelatives_share_of_family_members"])
        ratio = sharing["couple_family_size"] / sharing["other_family_size"]
        others = size * families - in_couples
        if others > 0:
            odds.append(in_couples / (ratio * others))
    old = facts.known("households", "family_type=married couple")
    old_others = facts.known("households", "family_type=female householder;male householder")
    if old and old_others:
        odds.append(old / old_others)
    if not odds:
        return families * float(sharing["couple_share_of_families"])
    mean = float(np.exp(np.mean(np.log(odds))))
    return families * mean / (1 + mean)


def alone_share(facts: Facts) -> float:
    """Return the share of nonfamily households that are one person."""
    alone, nonfamily = facts.value("households", "size=1"), facts.value("households", "kind=nonfamily")
    if alone is not None and nonfamily:
        return min(alone / nonfamily, 1.0)
    one = facts.shape("households", "kind=nonfamily|size=1")
    more = facts.shape("households", "kind=nonfamily|size=2..")
    if one and more:
        return one / (one + more)
    return float(household_shapes()["sharing"]["alone_share_of_nonfamily"])


def position_targets(facts: Facts, cells: Cells, view: View) -> list[Target]:
    """Return targets on positions; they are stated last and so hold best."""
    households = facts.value("households")
    if households is None:
        raise DataError("the tables don't say how many households there are", hint="add a row: households, count")
    families = facts.value("families") or facts.value("households", "kind=family")
    if families is None:
        families = households * _family_share()
    couples = couples_among(facts, families)
    result = _children(facts, cells, view)
    size = facts.value("families", "", "mean:n_family")
    if size is not None:
        related = 1 - household_shapes()["sharing"]["nonrelatives_share_of_family_members"]
        result.append(_count("family members", cells, FAMILY, size * families / related))
    result += _quarters(facts, cells)
    result += _matched(cells)
    result += [
        _count("couple heads", cells, ("couple head",), couples),
        _count("couple spouses", cells, ("couple spouse",), couples),
        _count("other families", cells, ("family head",), families - couples),
        _count("living alone", cells, ("alone",), (households - families) * alone_share(facts)),
        _count("sharing", cells, ("shared head",), (households - families) * (1 - alone_share(facts))),
    ]
    return result


def _family_share() -> float:
    """Return the share of families among the microdata's households."""
    heads = {name: float(np.sum(household_shapes()["positions"][name])) for name in HEADS}
    return (heads["couple head"] + heads["family head"]) / sum(heads.values())


def _count(name: str, cells: Cells, positions: tuple[str, ...], people: float) -> Target:
    at = np.flatnonzero(np.isin(cells.pos, [position(p) for p in positions]))
    return Target(name=name, cells=at, low=people, high=people)


def _children(facts: Facts, cells: Cells, view: View) -> list[Target]:
    """Hold own children with two parents and with one, from tables that cut them up by poverty."""
    result = []
    for conditions, people in facts.without("poverty_ratio").items():
        if all(c.column in view.frame.columns for c in conditions):
            met = np.flatnonzero(mask(conditions, view))
            if len(met):
                result.append(Target(name="own children", cells=met, low=people, high=people))
    return result


def _quarters(facts: Facts, cells: Cells) -> list[Target]:
    """Hold people in institutions: everybody but the civilians outside institutions and the armed forces.

    Residents of nursing facilities are taken to be 65 or older and those of juvenile facilities under 18, in the
    shares of the place's older count of group quarters; without such a count nobody under 18 is in an institution.
    """
    people = facts.value("persons")
    outside = facts.value("persons|civilian=yes|institutional=no")
    forces = facts.value("persons|age=16..", "employment=armed forces") or 0.0
    kinds = ("nursing facility", "juvenile", "correctional", "other institutional")
    counts = np.array([facts.known("persons|living=group quarters", f"hh_gq_type={k}") or 0.0 for k in kinds])
    total = float(counts.sum())
    if people is not None and outside is not None and people > outside + forces:
        total = people - outside - forces
    inside = cells.pos == position("institution")
    starts = cells.edges[cells.band]
    old, young = np.flatnonzero(inside & (starts >= 65)), np.flatnonzero(inside & (starts < 18))
    result = [Target(name="institutions", cells=np.flatnonzero(inside), low=total, high=total)]
    if counts.sum() > 0:
        nursing, juvenile = total * counts[:2] / counts.sum()
        result.append(Target(name="nursing facilities", cells=old, low=nursing, high=nursing))
        result.append(Target(name="juvenile facilities", cells=young, low=juvenile, high=juvenile))
    else:
        result.append(Target(name="no minors in institutions", cells=young))
    return result


def _matched(cells: Cells) -> list[Target]:
    """Hold as many husbands as wives, whichever of them is the householder."""

    def at(name: str, sex: int) -> np.ndarray:
        return np.flatnonzero((cells.pos == position(name)) & (cells.sex == sex))

    return [
        Target(name="husbands", cells=at("couple head", 1), partner=at("couple spouse", 0)),
        Target(name="wives", cells=at("couple head", 0), partner=at("couple spouse", 1)),
    ]
