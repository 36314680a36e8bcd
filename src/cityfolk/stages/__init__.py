"""The verbs as functions: each prints nothing, and leaves its results in the study it is given."""

from cityfolk.stages.adapters import adapter_engine
from cityfolk.stages.answers import AnswerOptions, answer_questions, plan_answers
from cityfolk.stages.ask_citizen import citizen
from cityfolk.stages.compare import compare_studies
from cityfolk.stages.doctor import examine
from cityfolk.stages.engines import Limits, list_engines
from cityfolk.stages.importing import import_personas
from cityfolk.stages.judge import JudgeOptions, judge_answers
from cityfolk.stages.judge_people import calibrate_judge, make_sheet, read_sheet
from cityfolk.stages.judge_plan import plan_judge
from cityfolk.stages.lives import WriteOptions, write_lives
from cityfolk.stages.measure import measure
from cityfolk.stages.measure_pairs import evaluate_pairs
from cityfolk.stages.pages import export_model, export_study, make_report, show_citizen
from cityfolk.stages.pairs import PairOptions, pair_answers
from cityfolk.stages.people import make_people, place_of
from cityfolk.stages.plan import plan_lives
from cityfolk.stages.questions import QuestionOptions, ask_for_questions, plan_questions
from cityfolk.stages.run import check_study, plan_study, run_study
from cityfolk.stages.text import evaluate
from cityfolk.stages.train import TrainOptions, train_adapter
from cityfolk.stages.train_plan import plan_training

__all__ = [
    "AnswerOptions",
    "JudgeOptions",
    "Limits",
    "PairOptions",
    "QuestionOptions",
    "TrainOptions",
    "WriteOptions",
    "adapter_engine",
    "answer_questions",
    "ask_for_questions",
    "calibrate_judge",
    "check_study",
    "citizen",
    "compare_studies",
    "evaluate",
    "evaluate_pairs",
    "examine",
    "export_model",
    "export_study",
    "import_personas",
    "judge_answers",
    "list_engines",
    "make_people",
    "make_report",
    "make_sheet",
    "measure",
    "pair_answers",
    "place_of",
    "plan_answers",
    "plan_judge",
    "plan_lives",
    "plan_questions",
    "plan_study",
    "plan_training",
    "read_sheet",
    "run_study",
    "show_citizen",
    "train_adapter",
    "write_lives",
]
