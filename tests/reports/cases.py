"""Report inputs for tests: a whole small study, and a certificate with every kind of row."""

from functools import cache

import polars as pl

from cityfolk.reports.inputs import EMPTY_FINDINGS, ReportInputs
from tests.reports.mock import cohort_and_profiles, geometry, people_and_households


def finding(id_, title, value, **rest):
    empty = {"low": None, "high": None, "n": None, "unit": "", "expected": None, "verdict": "none", "note": ""}
    return {"id": id_, "title": title, "value": value, **empty, **rest}


def findings():
    cell = "people.certificate.cell."
    rows = [
        finding("people.certificate.inside", "Inside", 0.5, n=2, unit="share", expected=0.95, verdict="outside"),
        finding(
            cell + "T1_001",
            "number of persons",
            100.0,
            low=90.0,
            high=110.0,
            n=100,
            unit="count",
            expected=100.0,
            verdict="inside",
            note="fitted",
        ),
        finding(
            cell + "T1_002",
            "number of persons: sex female",
            80.0,
            low=40.0,
            high=60.0,
            n=80,
            unit="count",
            expected=50.0,
            verdict="outside",
            note="held back; few people; 3.0 margins above",
        ),
        finding(
            cell + "T2_001",
            "median age of persons",
            31.0,
            low=29.0,
            high=31.0,
            n=100,
            unit="age",
            expected=30.0,
            verdict="inside",
            note="medians and means; held back",
        ),
        finding("people.certificate.T1.inside", "T1", 0.5, n=2, unit="share"),
        finding("people.certificate.T1.tvd", "T1: TVD", 0.0123, n=2, unit="share"),
        finding(
            "people.rules.broken", "Rules that somebody breaks", 1.0, n=2, unit="rules", expected=0.0, verdict="outside"
        ),
        finding("people.rule.sound", "a rule that holds", 0.0, n=100, unit="persons", expected=0.0, verdict="inside"),
        finding(
            "people.rule.unsound",
            "a rule that somebody breaks",
            3.0,
            n=100,
            unit="persons",
            expected=0.0,
            verdict="outside",
        ),
        finding(
            "people.pair.withheld.age_x_mode",
            "age x mode (withheld): distance to the microdata, independent drawing = 1",
            0.2,
            n=90,
            unit="ratio",
            expected=0.5,
            verdict="inside",
            note="total variation: made 0.0300, independent 0.1200, sampling floor 0.0100, 65 records; persons; PUMS",
        ),
        finding(
            "text.expressed.auc.openness",
            "Openness",
            0.84,
            low=0.78,
            high=0.9,
            n=80,
            unit="AUC",
            expected=0.8,
            verdict="inside",
        ),
    ]
    return pl.DataFrame(rows, schema=EMPTY_FINDINGS.schema)


TABLES = pl.DataFrame(
    {
        "table": ["T1", "T1", "T2"],
        "code": ["T1_001", "T1_002", "T2_001"],
        "universe": ["persons"] * 3,
        "geography": ["Here"] * 3,
        "dimensions": ["", "sex=female", ""],
        "measure": ["count", "count", "median:age"],
        "estimate": [100.0, 50.0, 30.0],
        "moe90": [10.0, 10.0, 1.0],
        "vintage": ["2024"] * 3,
        "source": ["invented for a test"] * 3,
    }
)


@cache
def study(**changes):
    households, people = people_and_households()
    cohort, profiles = cohort_and_profiles(people)
    given = {
        "place_title": "Testville",
        "people": people,
        "households": households,
        "findings": findings(),
        "cohort": cohort,
        "profiles": profiles,
        "manifest": {
            "stages": {"people": {"config": {"place": "testville", "seed": 7}, "versions": {"cityfolk": "0"}}}
        },
        "calls": (
            {
                "stage": "write",
                "engine": "pocket",
                "model": "pocket-0",
                "calls": 21,
                "requests": 20,
                "rejected": 1,
                "prompt_tokens": 9000,
                "completion_tokens": 12000,
                "seconds": 4.2,
            },
        ),
        "sources": {"age": "table T1", "religion": "a wider area"},
        "borrowed": {"religion": "a wider area, 2014"},
        "tables": TABLES,
        "geometry": geometry(),
        "notes": ("A note of the pack.",),
    }
    return ReportInputs(**{**given, **changes})
