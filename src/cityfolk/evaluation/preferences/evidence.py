"""Everything that is measured of preference data, in order: findings `pairs.*` and the marks of the pictures."""

from __future__ import annotations

from cityfolk.evaluation.corpus import Detail, Evidence
from cityfolk.evaluation.preferences.chosen import chosen_and_rejected, judged_pairs
from cityfolk.evaluation.preferences.control import control
from cityfolk.evaluation.preferences.copies import copies, leakage
from cityfolk.evaluation.preferences.coverage import coverage
from cityfolk.evaluation.preferences.examples import examples
from cityfolk.evaluation.preferences.tables import Preferences
from cityfolk.evaluation.preferences.verdicts import Tested, settled
from cityfolk.evaluation.preferences.voices import voices


def preference_evidence(data: Preferences, *, texts: bool = True) -> Evidence:
    """Measure preference data; what can be told of the tables there are, with the verdicts held together.

    Without `texts` what reads every answer is left out: its copies, its words and feelings, and the examples.
    """
    judged = [judged_pairs(data, name) for name in data.pairs]
    tested: list[Tested] = []
    details: list[Detail] = []
    for part in (
        leakage(data),
        coverage(data),
        control(data),
        *(chosen_and_rejected(data, one) for one in judged),
        copies(data, answers=texts),
        *((voices(data), examples(data, judged)) if texts else ()),
    ):
        for one in part:
            if isinstance(one, Tested):
                tested.append(one)
            else:
                details.append(one)
    return Evidence(settled(tested), tuple(details))
