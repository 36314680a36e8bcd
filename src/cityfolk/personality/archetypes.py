"""The four archetypes: named vectors that preference data and adapters are made for.

Names and percentiles are those of CityScope/personality-driven-synthetic-populations (MIT City Science), kept so that
results can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cityfolk.types import BigFive
from cityfolk.vocabulary import TRAITS

_PERCENTILES = {
    "Analyst": (0.90, 0.60, 0.35, 0.25, 0.35),
    "Diplomat": (0.90, 0.50, 0.45, 0.90, 0.60),
    "Sentinel": (0.25, 0.90, 0.50, 0.65, 0.40),
    "Explorer": (0.40, 0.25, 0.80, 0.65, 0.25),
}

ARCHETYPES: Mapping[str, BigFive] = MappingProxyType(
    {name: BigFive(**dict(zip(TRAITS, values, strict=True))) for name, values in _PERCENTILES.items()}
)
"""Name -> vector, in the order Analyst, Diplomat, Sentinel, Explorer."""
