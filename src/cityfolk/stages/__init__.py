"""The verbs as functions: each prints nothing, and leaves its results in the study it is given."""

from cityfolk.stages.ask_citizen import citizen
from cityfolk.stages.compare import compare_studies
from cityfolk.stages.doctor import examine
from cityfolk.stages.engines import Limits, list_engines
from cityfolk.stages.importing import import_personas
from cityfolk.stages.lives import WriteOptions, write_lives
from cityfolk.stages.measure import measure
from cityfolk.stages.pages import export_model, export_study, make_report, show_citizen
from cityfolk.stages.people import make_people, place_of
from cityfolk.stages.plan import plan_lives
from cityfolk.stages.run import check_study, plan_study, run_study
from cityfolk.stages.text import evaluate

__all__ = [
    "Limits",
    "WriteOptions",
    "check_study",
    "citizen",
    "compare_studies",
    "evaluate",
    "examine",
    "export_model",
    "export_study",
    "import_personas",
    "list_engines",
    "make_people",
    "make_report",
    "measure",
    "place_of",
    "plan_lives",
    "plan_study",
    "run_study",
    "show_citizen",
    "write_lives",
]
