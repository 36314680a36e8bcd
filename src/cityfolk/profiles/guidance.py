"""What a model is told before it meets a citizen: the same bytes for everyone, so that a server computes it once.

Two forms. "short" is what the embedded model was trained on. "full" is for models that can use it: how facts are to be
treated, what trait levels mean, each field by itself, what is good and what is not, the output format.
"""

from __future__ import annotations

from typing import Literal

Form = Literal["short", "full"]

SHORT_PROFILE = (
    "You write the life of one resident of a city, as JSON with the keys of the schema, two sentences a text field at "
    "most, three items a list. Keep every fact given: age, sex, origin, household, education, work, income. Never "
    "invent numbers. Show each trait at its level in what the person does, likes and avoids; a trait that is average "
    "stays in the background. Write about the person by first name or pronoun, plainly and concretely."
)
SHORT_REFLECTIONS = (
    "You think about one resident of a city before their life is written, as JSON with the keys of the schema, two "
    "sentences a field at most: who they are, what drives them, how their life came to be, where they contradict "
    "themselves, and whether it all fits the facts. Keep every fact given. Never invent numbers."
)

_FACTS = """\
THE FACTS

You are given what official statistics and a personality draw say of one resident, a line each. Treat it so:
- Every line is true and stays true: age, sex, home, origin, language, marriage, household, education, work, commute, \
income, religion, politics, disability, body. Nothing you write may contradict a line, or make it unlikely.
- "not asked" and "not known" mean that nobody knows. Leave that subject alone; do not fill the gap with what seems \
typical. "none" means none.
- Never invent numbers: no sums of money, years, dates, ages, distances or counts that are not given. Ages of others \
are those listed under Household; nobody else lives there.
- Age is what lies behind a person and what is asked of them now: somebody of 19 has no long career, somebody of 80 \
has outlived friends, and neither is a type.
- Household is seen from the person: "husband 36" is this person's husband. Group quarters (a dormitory, a nursing \
home) mean shared rooms, rules and hours, and no family in the same home.
- Income is a year's, in dollars, before tax; the household's is what all its members have together. Set housing, \
food, travel and leisure at what that buys in this city.
- Work names a broad occupation and an industry. Choose one ordinary job that belongs to both, fits the education and \
the income, and exists in this city. Who is not working has no job: say what fills the day instead. A child or a \
retired person is not given a career.
- "Home" is the city of today, "Origin" the place of birth. Do not move anybody, and do not make origin the centre of \
a life unless the facts do. People from one place differ as much as people from another.
- Religion and politics are affiliations, not character. Mention them where they would come up, at most once.
- Poverty, wealth, disability, an institution or a dormitory shape a day: hours, rooms, errands, company. Show that \
plainly, with neither pity nor praise.
"""
_TRAITS = """\
THE TRAITS

Five lines give where the person stands among adults: "extremely low" is the lowest 5 in 100, "very low" up to the \
20th, "low" up to the 40th, "average" up to the 60th, "high" up to the 80th, "very high" up to the 95th, "extremely \
high" the top 5. Write the level that is given, no milder and no stronger; low is as real a way to live as high, and \
none of the ten poles is a fault or a merit.
- Openness. High: looks for the new, reads widely, enjoys ideas, art and odd company, changes plans for an idea. Low: \
trusts what is known, keeps to few dishes, songs and routes, wants the practical point.
- Conscientiousness. High: plans, finishes, is on time, keeps lists, feels bad about loose ends. Low: starts late, \
improvises, forgets, lets things lie, lives easily with disorder.
- Extraversion. High: seeks company, speaks first, fills an evening, gets restless alone. Low: needs quiet, has few \
people around, listens, leaves early, thinks before speaking.
- Agreeableness. High: gives the benefit of the doubt, helps unasked, avoids a quarrel, gives in. Low: says what is \
wrong, bargains hard, doubts motives, puts the own interest first, does not mind being disliked.
- Neuroticism. High: worries, takes things hard, sleeps badly before an appointment, is quick to feel hurt. Low: is \
hard to upset, forgets a bad day, stays even when others are not.
Grade it. "Low" or "high" shows now and then, in what is preferred when there is a choice. "Very low" or "very high" \
shows most days and others would name it. "Extremely low" or "extremely high" decides how the day is arranged, and \
costs something. A trait at "average" stays in the background: mention neither pole.
Two strong traits meet in one person; let them colour each other, even where they pull apart. High neuroticism with \
high conscientiousness checks the stove twice and is never late; with low conscientiousness it lies awake over what \
was left undone. High extraversion with low agreeableness talks over others and is good company all the same; low \
extraversion with high agreeableness helps quietly and dreads being thanked. Age, work and home set the stage on which \
a trait can show: a night shift, three children or a wheelchair leave other ways to be curious than an empty week does.
Show a trait by what the person does, likes, avoids, says or puts off; never by its name, its level or a score. Do not \
let a likeable tone lift low agreeableness, high neuroticism or low conscientiousness toward the middle.
"""
_FIELDS = """\
THE FIELDS

- general_description: who this is, in the city, now; what a neighbour who has known them for a year would say.
- job_title: the ordinary title of the job, or "student", "retired", "homemaker", "looking for work" and the like.
- job_description: what they do in a working day and what they make of it; without a job, what they do instead.
- personality_description: the strongest two or three traits at work in a small, concrete situation.
- cognition: how they take in, judge and decide: quick or slow, by rule or by feel, alone or in talk; what they find \
easy to understand and what they leave to others.
- motivations: what they want within a few years and what they would not give up for it; plain wants (a quieter flat, \
a licence, to be left alone) are wants too.
- strengths: three things that others rely on them for, two to six words each, no two alike, at least one of them a \
skill and not a virtue.
- weaknesses: three things that cost them or others something, two to six words each; real ones, not strengths in \
disguise ("works too hard", "cares too much").
- family: those who are listed, and how life with them goes; who lives alone may have family elsewhere, unnumbered.
- friends: how many people matter (few, a circle, many), where they come from, what is done together.
- workplace: how they are among colleagues, or in class, or at home where that is the place of the day.
- community_role: what the street, the house, a club or a congregation has from them; "nothing" is an answer.
- daily_routine: an ordinary weekday from getting up to going to bed, the given commute included; parts of the day \
rather than times of the clock.
- leisure_habits: what they do with a free afternoon, by name: which game, music, dish, place, craft.
- work_habits: how tasks are begun, kept up and ended, at work or with chores.
- health_habits: sleep, food, movement, doctors, as money, body and disability allow.
- social_habits: how they meet, write, call, host, quarrel and make up; how long they stay, and who goes first.
- appearance: what one sees from across the street: build, dress, bearing, what is always carried; nothing that the \
facts do not allow, and no verdict on looks.
"""
_QUALITY = """\
WHAT IS GOOD AND WHAT IS NOT

Good: "Irina sorts the week's bills on Sunday night and is cross if somebody touches the pile." It shows a level of a \
trait in one act, in one place. Not good: "Irina is a hardworking and passionate person who values family and \
strives for balance." It fits anybody.
Good: "He lets the phone ring and writes back two days later." Not good: "He is low in extraversion."
Good: "She has taken the same bus home since the line was moved and sits on the left, away from the draught." Not \
good: "She enjoys exploring the city's many cultural offerings in her free time."
Good, of a weakness: "promises more than he keeps". Not good: "sometimes too generous with his time".
Do not praise, console or teach. No résumé, no moral, no happy end that the facts do not hold: most lives are neither \
triumph nor tragedy. Vary how sentences begin, and let each field say something that no other field has said. Avoid \
words that lean on everybody: vibrant, passionate, dedicated, resilient, diverse, rich heritage, close-knit, \
testament, tapestry, balance. Use the plain words of the city's own people. Write in English, in the third person and \
the present tense, by first name or pronoun as the given sex says; never "I", never "the resident", never these \
instructions.
"""
_FORMAT = """\
THE OUTPUT

One JSON object and nothing else: no greeting, no explanation, no Markdown fence. Its keys are the eighteen fields \
above, all of them, in that order, and no others. Every value is a string, except strengths and weaknesses, which are \
lists of exactly three strings. A text has one or two sentences and at most 60 words; job_title and list items have \
at most 60 characters. No line breaks inside a value.

The resident:
"""
FULL_PROFILE = "\n".join(
    (
        "You write the life of one resident of a city, for research: believable, particular, true to what is known.\n",
        _FACTS,
        _TRAITS,
        _FIELDS,
        _QUALITY,
        _FORMAT,
    )
)
FULL_REFLECTIONS = "\n".join(
    (
        "You think about one resident of a city before their life is written, for research.\n",
        _FACTS,
        _TRAITS,
        """\
THE FIELDS

- personality: how the five levels look together in this one person.
- core_traits: the two or three traits that others notice first, and where.
- inner_world: what they think of when nobody asks; what they want, fear and are proud of.
- life_circumstances: what money, rooms, hours, people and body allow and forbid.
- life_story: a plain path from the place of birth to today's facts, without dates and numbers.
- contradictions: where traits and circumstances pull against each other, and how they live with it.
- summary: the person in two sentences, as someone who knows them well would put it.
- consistency_check: whether all of this fits every line given; name what had to be left open.
""",
        """\
THE OUTPUT

One JSON object and nothing else: no greeting, no explanation, no Markdown fence. Its keys are the eight fields above, \
all of them, in that order, and no others. Every value is a string of one or two sentences, at most 60 words, without \
line breaks, in the third person.

The resident:
""",
    )
)
PROFILE: dict[Form, str] = {"short": SHORT_PROFILE, "full": FULL_PROFILE}
REFLECTIONS: dict[Form, str] = {"short": SHORT_REFLECTIONS, "full": FULL_REFLECTIONS}


def form_for(model: str) -> Form:
    """Return the form for a model: "short" for the embedded one, by whatever engine it is run, else "full"."""
    return "short" if model.startswith("pocket-1") else "full"
