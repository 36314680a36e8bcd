"""cityfolk: a city of people you can question.

    import cityfolk

    with cityfolk.Study.open("cambridge", create=True) as study:
        cityfolk.make_people(study, "cambridge-ma", seed=7)
        cityfolk.write_lives(study, cityfolk.WriteOptions(n=50))
        cityfolk.measure(study)
        page = cityfolk.make_report(study)

The verbs of the command line are these functions. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "BigFive": "types",
    "Citizen": "types",
    "Household": "types",
    "Person": "types",
    "Study": "study.folder",
    "WriteOptions": "stages",
    "citizen": "stages",
    "compare_studies": "stages",
    "evaluate": "stages",
    "evaluate_pairs": "stages",
    "export_study": "stages",
    "import_personas": "stages",
    "load_engine": "engines.registry",
    "load_place": "places.pack",
    "make_people": "stages",
    "make_report": "stages",
    "measure": "stages",
    "write_lives": "stages",
}
__all__ = sorted(_HOME)  # a test resolves every name


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cityfolk' has no attribute {name!r}")
    return getattr(import_module(f"cityfolk.{_HOME[name]}"), name)
