"""The verbs as functions: each prints nothing, and leaves its results in the study it is given."""

from cityfolk.stages.doctor import examine
from cityfolk.stages.lives import WriteOptions, plan_lives, write_lives
from cityfolk.stages.measure import measure
from cityfolk.stages.pages import export_study, make_report, show_citizen
from cityfolk.stages.people import make_people, place_of
from cityfolk.stages.run import check_study, run_study

__all__ = [
    "WriteOptions",
    "check_study",
    "examine",
    "export_study",
    "make_people",
    "make_report",
    "measure",
    "place_of",
    "plan_lives",
    "run_study",
    "show_citizen",
    "write_lives",
]
