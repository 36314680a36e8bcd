"""Files as others leave them: invented people under the original project's keys, whole and damaged."""

import json

from tests.reports.mock import people_and_households

WORDS = (
    "keeps a garden on the roof and talks to the tomatoes",
    "mends bicycles for the neighbours on Saturdays",
    "reads the newspaper aloud at breakfast and argues with it",
    "sings in a choir that nobody outside the parish has heard of",
    "walks to the river before work whatever the weather",
)


def original(n=30, seed=3):
    """n records with the original's nested keys."""
    _, people = people_and_households(seed=seed)
    records = []
    for i, person in enumerate(people.filter(people["age"] >= 18).head(n).iter_rows(named=True)):
        first = person["name"].split()[0]
        lines = [f"{first} {WORDS[(i + k) % 5]}, and {WORDS[(i * 3 + k) % 5]}." for k in range(5)]
        records.append(
            {
                "General": {
                    "General Description": lines[0],
                    "Name": person["name"],
                    "Age": person["age"],
                    "Education": "Bachelor's degree",
                    "Place of Residence": "Cambridge Massachusetts (USA)",
                },
                "Identity": {
                    "Nationality": "United States" if i % 3 else "Brazil",
                    "Sexual Orientation": "Heterosexual",
                    "Gender": "Male" if person["sex"] == "male" else "Female",
                    "Religious Beliefs": "Other World Religions" if i % 5 == 0 else "Catholic",
                    "Political Ideology": "Green" if i % 4 == 0 else "Democratic",
                },
                "Profession": {
                    "Industry": "Educational Services",
                    "Industry Mean salary": 100000,
                    "Personal Salary": "Unemployed" if i % 6 == 0 else 52000 + 100 * i,
                    "Job": ("Secondary school teacher", "Librarian", "School bus driver")[i % 3],
                },
                "Psychological and Cognitive": {
                    "Personality/Big Five Traits": {
                        "Agreeable": 0.4 + 0.01 * i,
                        "Extraversion": 0.5,
                        "Openness": 0.9 - 0.01 * i,
                        "Conscientiousness": 0.31,
                        "Neuroticism": 0.6,
                        "General Big Five Description": lines[1],
                    },
                    "Cognitive": {"Creativity": lines[2]},
                    "Motivations": {"Life Goals": lines[3]},
                    "Strengths": ["patience with strangers", "a long memory", f"plain speech and {i} jokes"],
                },
                "Behavioral": {
                    "Social": {"Relationships": {"Marital Status": "Married, not separated"}},
                    "Habits and Routines": {"Daily Routine": lines[4]},
                },
                "Physical/Biological/Movility": {
                    "Anatomical": {"Height": "175.3 cm", "Weight": "70.1 kg", "Overweight": "No"},
                    "Health": {"Disabilities": ["No disability"] if i % 2 else ["hearing", "self_care"]},
                },
                "id": i + 1,
            }
        )
    return records


def as_the_original_leaves_it(records, runs=2):
    """The bytes of several runs appended to one file: trailing commas, and `][` at every joint."""
    size = -(-len(records) // runs)
    parts = [records[i : i + size] for i in range(0, len(records), size)]
    return "".join("[" + "".join(json.dumps(r) + ",\n" for r in part) + "]" for part in parts)
