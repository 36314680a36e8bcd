"""Contradictions planted by hand, and sentences that look like contradictions and are none."""

from cityfolk.types import BigFive
from cityfolk.vocabulary import TRAITS
from tests.profiles.fakes import DAUGHTER, DORM, HUSBAND, MATE, SON, WIFE


def traits(**percentiles):
    return BigFive(**(dict.fromkeys(TRAITS, 0.5) | percentiles))


GENERAL, JOB, FAMILY, CHARACTER = "general_description", "job_description", "family", "personality_description"
MAN = {"name": "Tom Okafor", "sex": "male"}
MARRIED = {"marital_status": "married", "others": [HUSBAND, SON, DAUGHTER]}
RETIRED = {
    "age": 74,
    "employment": "not in labor force",
    "occupation": None,
    "industry": None,
    "earnings_usd": 0,
    "income_usd": 31000,
    "commute_mode": None,
    "commute_minutes": None,
}
IDLE = RETIRED | {"age": 41}
STUDENT = IDLE | {"age": 20, "enrollment": "college or graduate school", "education": "some college or associate's"}
TRUCKER = {
    "occupation": "production, transportation and material moving",
    "industry": "transportation, warehousing and utilities",
    "education": "high school",
    "earnings_usd": 48000,
    "income_usd": 48000,
}
ABROAD = {"nativity": "foreign-born", "birthplace": "Brazil", "citizenship": "not a citizen", "party": None}

JAMES = {"name": "James Chen", "sex": "male"}
FATHER = {"marital_status": "married", "role": "spouse", "sex": "male", "name": "James Chen", "age": 45}
HIS = [
    {"role": "householder", "sex": "female", "age": 44, "marital_status": "married", "name": "Lucy Chen"},
    {"role": "child", "sex": ("female"), "age": 12},
    {"role": "child", "sex": "male", "age": 9},
]
STUDENT_AT_HOME = {
    "age": 19,
    "role": "child",
    "name": "Aisha Khan",
    "employment": "not in labor force",
    "occupation": None,
    "industry": None,
    "earnings_usd": 0,
    "income_usd": 0,
    "enrollment": ("college or graduate school"),
    "grade": "undergraduate",
    "education": "some college or associate's",
}
HERS = [
    {"role": "householder", "sex": "male", "age": 50, "marital_status": "married"},
    {"role": "spouse", "sex": "female", "age": 48, ("marital_status"): "married"},
    {"role": "child", "sex": "male", "age": 15},
]

# (rule, facts, field, text)
PLANTED = [
    ("name", {"name": "Hyungmin Lim"}, "appearance", "Hyungque wears plain clothes."),
    ("name", {}, GENERAL, "Meet Joan, 34, who lives in Cambridge and works as a nurse."),
    ("name", {}, GENERAL, "Joan is a nurse who lives in Cambridge."),
    ("home", {}, GENERAL, "Maria is a nurse who likes the river. She lives in Portland."),
    ("home", {}, GENERAL, "In Springfield lives Maria, a woman of 34."),
    ("age", {}, GENERAL, "A woman of 52, Maria works as a nurse and lives in Cambridge."),
    ("age", {}, GENERAL, "Born in Massachusetts and now 61, Maria lives in Cambridge."),
    ("age", {}, GENERAL, "Maria, now in her fifties, is still finding her way."),
    ("job", {}, JOB, "She keeps the records. It is a job in retail trade."),
    ("household", MARRIED, FAMILY, "She lives with her husband (52) and her son (8)."),
    ("household", MARRIED, FAMILY, "Her household in a rented home is herself, her husband (36) and her mother (70)."),
    ("household", {}, FAMILY, "She lives by herself in an owned home."),
    ("household", {}, FAMILY, "She is separated from her spouse."),
    ("origin", {}, GENERAL, "Maria lives in Cambridge. She comes from Florida and isn't tired of the snow."),
    ("origin", {}, GENERAL, "Maria was born in Georgia and came north for school."),
    ("education", {"education": "less than high school"}, GENERAL, "Maria has a high school diploma."),
    ("disability", {}, "health_habits", "She has difficulty walking and takes her time."),
    ("age", {}, GENERAL, "Maria is a 52-year-old nurse who likes her ward."),
    ("age", {}, GENERAL, "Maria Santos, 61, lives near the river."),
    ("age", {}, GENERAL, "A 58-year-old nurse, Maria walks to work."),
    ("age", {}, GENERAL, "At 52, Maria still enjoys the night shift."),
    ("age", {}, GENERAL, "Maria is in her late fifties and knows everyone."),
    ("age", {}, GENERAL, "Now in her sixties, Maria keeps a small garden."),
    ("age", {}, GENERAL, "She is forty-eight years old and proud of it."),
    ("age", {}, GENERAL, "Maria is still a teenager and rather shy."),
    ("age", {}, JOB, "She has worked on the same ward for 40 years."),
    ("age", {}, JOB, "With 30 years of experience she trains the others."),
    ("age", {"age": 81}, GENERAL, "Maria is a young woman with big plans."),
    ("age", {}, GENERAL, "Maria is an octogenarian with a sharp tongue."),
    ("age", {}, "health_habits", "She had her first operation in her fifties."),
    ("sex", {}, GENERAL, "Maria is a quiet man who likes the river."),
    ("sex", {}, "leisure_habits", "Maria spends his evenings with a book."),
    ("sex", MAN, "leisure_habits", "Tom paints, and she sells her pictures at the fair."),
    ("sex", MAN, GENERAL, "Tom is a devoted mother who lives in Cambridge."),
    ("sex", {}, GENERAL, "Mr. Santos is known on the whole street."),
    ("sex", MAN, "appearance", "She has short hair and a firm handshake."),
    ("job", {}, "job_title", "Truck driver"),
    ("job", {}, "job_title", "Carpenter"),
    ("job", {}, "job_title", "Retired teacher"),
    ("job", {}, "job_title", "Bank teller"),
    ("job", TRUCKER, "job_title", "Professor of history"),
    ("job", TRUCKER, "job_title", "Registered nurse"),
    ("job", TRUCKER, JOB, "She works as a dentist and likes the quiet."),
    ("job", {}, JOB, "Maria is retired and spends her mornings at the library."),
    ("job", {}, JOB, "She is currently unemployed and looks for something new."),
    ("job", {}, GENERAL, "Maria is a plumber in Cambridge who likes the river."),
    ("job", RETIRED, "job_title", "Software engineer"),
    ("job", RETIRED, JOB, "She works full-time at the front desk."),
    ("job", IDLE, "work_habits", "She works as a cashier and never misses a shift."),
    ("household", {}, FAMILY, "Maria lives with her husband and two sons."),
    ("household", {}, FAMILY, "She is married and has no plans to move."),
    ("household", {}, FAMILY, "Her husband cooks on Sundays."),
    ("household", MARRIED, FAMILY, "Maria lives alone and likes it."),
    ("household", MARRIED, FAMILY, "Maria is single and sees no reason to change that."),
    ("household", MARRIED, FAMILY, "She has no children and does not miss them."),
    ("household", MARRIED, FAMILY, "She lives with her husband and four children."),
    ("household", MARRIED, FAMILY, "She is divorced and shares the children's weekends."),
    (
        "household",
        MAN | {"marital_status": "married", "others": [WIFE]},
        FAMILY,
        "He lives with his wife and his mother.",
    ),
    ("household", {"home": DORM}, FAMILY, "Maria lives with her husband in a rented flat."),
    ("household", {"home": {"tenure": "owner"}}, GENERAL, "Maria rents a small apartment near the square."),
    ("household", {}, GENERAL, "Maria owns her own house near the square."),
    ("household", {}, GENERAL, "Maria lives in a college dorm near the square."),
    ("household", {"others": [MATE]}, FAMILY, "She lives with her parents and pays no rent."),
    ("origin", {}, GENERAL, "Maria was born in Brazil and came here as a child."),
    ("origin", {}, GENERAL, "Born in Texas, Maria likes the heat."),
    ("origin", {}, GENERAL, "Maria is an immigrant who made a home here."),
    ("origin", ABROAD, GENERAL, "Maria was born in Portugal and cooks like her grandmother."),
    ("origin", ABROAD, GENERAL, "Maria was born and raised in Cambridge."),
    ("origin", ABROAD, GENERAL, "She is a naturalized citizen and never misses jury duty."),
    ("origin", ABROAD, GENERAL, "Maria is a Mexican-born nurse on a busy ward."),
    ("education", TRUCKER, GENERAL, "Maria holds a master's degree in history."),
    ("education", {}, GENERAL, "She never finished high school and doesn't mind."),
    ("income", {}, GENERAL, "Maria earns $210,000 a year and saves half."),
    ("income", TRUCKER, GENERAL, "She has a six-figure salary and few worries."),
    ("religion", {}, "community_role", "Maria is a devout Muslim who fasts every year."),
    ("religion", {"religion": "Atheist"}, "community_role", "She attends Mass every Sunday with the neighbors."),
    ("party", {}, "community_role", "Maria is a lifelong Republican and says so."),
    ("party", ABROAD, "community_role", "She votes in every city election."),
    ("disability", {}, "health_habits", "Maria uses a wheelchair on long trips."),
    ("disability", {"disability": "hearing"}, "health_habits", "She has no disabilities and rarely sees a doctor."),
    ("traits", {"personality": traits(extraversion=0.03)}, CHARACTER, "Maria is very outgoing and fills every room."),
    ("traits", {"personality": traits(neuroticism=0.95)}, CHARACTER, "She is calm and unhurried whatever happens."),
    ("traits", {"personality": traits(conscientiousness=0.9)}, CHARACTER, "Maria is careless and disorganized."),
    # in the manner of larger models
    ("age", {}, "general_description", "Maria, a 47-year-old registered nurse, has lived in Cambridge for years."),
    ("age", {}, "general_description", "At 67, Maria is enjoying the quiet years."),
    ("age", {}, "general_description", "Maria is a middle-aged woman with a quick laugh."),
    ("age", RETIRED, "general_description", "Maria, now in her mid-thirties, is still finding her way."),
    ("age", {}, "family", "Maria turned 50 last spring, and the family gathered."),
    ("sex", {}, "personality_description", "He is quiet and thoughtful and likes his routines."),
    ("sex", {}, "general_description", "Maria is a thoughtful young man who works as a nurse."),
    ("sex", JAMES, "family", "As a single mother, James juggles work and home."),
    ("job", {}, "job_description", "Maria works as a carpenter for a small firm."),
    ("job", {}, "job_title", "Warehouse worker"),
    ("job", RETIRED, "work_habits", "Maria works part-time at a bakery."),
    ("job", TRUCKER, "general_description", "Maria is a software engineer who loves the river."),
    ("job", {}, "job_description", "She has been unemployed since spring."),
    ("job", IDLE, "job_title", "Accountant"),
    ("household", {}, "family", "Maria shares an apartment with her boyfriend and their dog."),
    ("household", {}, "family", "Maria is happily married with two children."),
    ("household", FATHER | {"others": HIS}, "family", "James lives with his wife and three children."),
    ("household", FATHER | {"others": HIS}, "general_description", "James lives alone in a studio near the river."),
    ("household", STUDENT_AT_HOME | {"others": HERS}, "family", "Aisha lives with two roommates near campus."),
    (
        "household",
        RETIRED | {"marital_status": "widowed"},
        "family",
        "She and her husband have been married for 50 years.",
    ),
    ("household", RETIRED | {"marital_status": "widowed"}, "family", "Maria lives with her husband of forty years."),
    ("origin", {}, "general_description", "Maria emigrated from Brazil as a teenager."),
    ("origin", {}, "general_description", "Originally from Mexico, Maria came to Cambridge for work."),
    ("origin", ABROAD, "general_description", "Maria, born in Ohio, came east for school."),
    ("origin", ABROAD, "general_description", "A lifelong Cambridge resident, Maria knows every street."),
    ("origin", {}, "general_description", "Maria is an immigrant from Haiti."),
]

# (facts, field, text): all of it may be true
CLEAN = [
    ({"name": "Alexandra Lim"}, "appearance", "Alex wears plain clothes."),
    ({"name": "Sundara Lim"}, "appearance", "Sunday mornings find her in plain clothes. Sundara's shoes are good."),
    ({}, GENERAL, "Life in Cambridge suits Maria, a nurse who lives near Inman Square."),
    ({}, GENERAL, "Cambridge is home to Maria, a nurse."),
    ({}, GENERAL, "She lives in Inman Square and walks to work."),
    ({}, GENERAL, "Mornings are quiet. She likes them that way."),
    (MARRIED, FAMILY, "She lives with her husband (36), her son (8) and her daughter (5)."),
    (
        {"birthplace": "Georgia", "nativity": "foreign-born", "citizenship": "naturalized"},
        GENERAL,
        ("She was born in Georgia."),
    ),
    ({"birthplace": "US South"}, GENERAL, "She was born in Georgia and came north for school."),
    ({}, GENERAL, "Maria is a 34-year-old nurse who likes her ward."),
    ({}, GENERAL, "Maria is in her mid-thirties and knows everyone."),
    ({}, GENERAL, "At 19, Maria moved out of her parents' house."),
    ({}, GENERAL, "Her 61-year-old mother lives across the river."),
    ({}, GENERAL, "She worked with a 70-year-old professor for years."),
    ({}, GENERAL, "Maria hopes to retire in her fifties and travel."),
    ({}, JOB, "She has worked on the ward for 10 years."),
    ({}, "daily_routine", "She is up at 6 and at work by 7:30, 34 minutes early."),
    ({}, "daily_routine", "At 22, the bus stops in front of her door."),
    ({}, FAMILY, "Her brother, 52, calls every week."),
    (MARRIED, FAMILY, "Her son is 8 and her daughter is 5."),
    (MARRIED, FAMILY, "She lives with her husband, who is 36, and their two children."),
    ({}, "friends", "She meets her friend Ana, a teenager at heart, on Fridays."),
    ({}, FAMILY, "Her father says he is proud of her, and his letters show it."),
    (MAN, FAMILY, "His sister keeps her piano in his living room because she has no space."),
    (MAN, "friends", "Tom plays chess with Ruth, who brings her own board."),
    (MAN, GENERAL, "Tom is a friend of the woman next door."),
    (MAN, GENERAL, "Tom holds a bachelor's degree and likes it."),
    ({}, "leisure_habits", "Maria coaches a boy who wants to run his first race."),
    ({}, "job_title", "Registered nurse"),
    ({}, "job_title", "High school teacher"),
    ({}, "job_title", "Director of nursing"),
    ({}, "job_title", "Curator of odd jobs"),
    (TRUCKER, "job_title", "Delivery driver for a bakery"),
    (TRUCKER, JOB, "She works as a truck driver and likes the road."),
    ({}, JOB, "Her friend's husband is retired, and she works as a nurse."),
    ({}, JOB, "She is looking for work that leaves time for music one day."),
    ({}, JOB, "Maria is a natural teacher and a careful driver."),
    ({}, "workplace", "Two retired doctors come by to help her."),
    ({}, "work_habits", "When she is retired, she wants to paint."),
    (RETIRED, "job_title", "Retired teacher"),
    (RETIRED, JOB, "She is retired and used to work as a nurse at the city hospital."),
    (RETIRED, JOB, "She works as a volunteer at the library on Mondays."),
    (RETIRED, "work_habits", "She works hard in the garden and rests at noon."),
    (STUDENT, "job_title", "Undergraduate student"),
    (IDLE, "job_title", "Stay-at-home parent"),
    ({}, FAMILY, "Maria lives alone with a cat, and her brother calls on Sundays."),
    ({}, FAMILY, "Her sister lives with her husband in Ohio."),
    ({}, FAMILY, "She lives near her parents but not with them."),
    ({}, FAMILY, "She would like to be married one day."),
    ({}, FAMILY, "Her sister is married and has two sons."),
    ({}, JOB, "Maria is married to her work and knows it."),
    ({"marital_status": "widowed", "age": 70}, FAMILY, "Her husband died in spring, and she misses him."),
    ({"marital_status": "widowed", "age": 70}, FAMILY, "Her late husband planted the tree."),
    ({"marital_status": "divorced"}, FAMILY, "She is single again and on good terms with her ex-husband."),
    (MARRIED, FAMILY, "She never lived alone before she was married."),
    (MARRIED, FAMILY, "When her husband travels, she has the house to herself."),
    (MARRIED, FAMILY, "Maria's brother is single and lives alone."),
    ({"others": [MATE]}, FAMILY, "She lives with a roommate and sees her parents at Christmas."),
    ({"others": [MATE]}, GENERAL, "Maria shares an apartment with a friend from school."),
    ({"home": DORM}, FAMILY, "She lives in student housing and calls her mother daily."),
    ({}, GENERAL, "Maria rents a small apartment and hopes to buy a house."),
    ({}, GENERAL, "She owns a bicycle and a good coat."),
    ({}, GENERAL, "Maria was born in Boston and never moved far."),
    ({}, GENERAL, "Maria grew up in Ohio and moved here for school."),
    ({}, GENERAL, "She works with immigrants and loves French films."),
    ({}, "friends", "Her best friend was born in Brazil."),
    (ABROAD, GENERAL, "Maria was born in Brazil and moved to Cambridge later."),
    (ABROAD, GENERAL, "Maria grew up in Cambridge, and her Brazilian cooking shows it."),
    (ABROAD | {"birthplace": "Other Western Africa"}, GENERAL, "Maria was born in Gambia and moved here for work."),
    ({"birthplace": "US South"}, GENERAL, "Maria was born in Texas and likes the heat."),
    ({}, GENERAL, "She is working toward a master's degree at night."),
    (TRUCKER, FAMILY, "Her cousin holds a master's degree in history."),
    ({}, GENERAL, "She earns about $73,000 a year and saves a little."),
    ({}, "community_role", "She raised $50,000 a year for the shelter, though her income is modest."),
    ({"religion": "Jewish"}, "community_role", "She was raised Catholic by her grandmother."),
    ({"religion": "Atheist"}, "community_role", "She sings in the choir of a Catholic school."),
    ({}, "community_role", "Her neighbor is a Republican, and they argue for fun."),
    ({}, "health_habits", "She helps a man who uses a wheelchair."),
    ({}, "health_habits", "Maria is blind to her own tiredness."),
    ({"personality": traits(extraversion=0.03)}, CHARACTER, "Maria is not outgoing and likes it that way."),
    ({"personality": traits(extraversion=0.03)}, "social_habits", "She is talkative only with close friends."),
    ({"personality": traits(neuroticism=0.95)}, CHARACTER, "She envies people who are calm."),
    # in the manner of larger models
    (
        FATHER | {"others": HIS},
        "general_description",
        (
            "James is a 45-year-old father of two who shares a busy rented apartment with his wife and their "
            "children, 12 "
            "and 9."
        ),
    ),
    (
        FATHER | {"others": HIS},
        "family",
        ("James lives with his wife, Lucy, and their two kids, a 12-year-old daughter and a 9-year-old son."),
    ),
    (
        FATHER | {"others": HIS},
        "family",
        (
            "Married to Lucy for nearly two decades, he is a patient father whose daughter says she trusts him with "
            "everything."
        ),
    ),
    (
        FATHER | {"others": HIS},
        "family",
        ("His wife handles the finances while he cooks; her mother visits every summer and stays for weeks."),
    ),
    (
        FATHER | {"others": HIS},
        "daily_routine",
        ("He wakes at 6, packs lunches for the kids, and drops his daughter at school before she is late again."),
    ),
    (
        FATHER | {"others": HIS},
        "friends",
        (
            "He has kept three friends from college; one of them, Maria, is a single mother who lives alone with "
            "her son."
        ),
    ),
    (
        FATHER | {"others": HIS},
        "health_habits",
        ("At 45, James has started running again, something he last did in his twenties."),
    ),
    (
        FATHER | {"others": HIS},
        "health_habits",
        ("His father had a heart attack at 61, and James hopes he will still be hiking in his seventies."),
    ),
    (
        FATHER | {"others": HIS},
        "appearance",
        "He looks younger than his 45 years, with the build of a man who bikes to work.",
    ),
    (
        FATHER | {"others": HIS},
        "leisure_habits",
        ("He builds model ships with his son, who is nine and already better at it than he is."),
    ),
    (
        STUDENT_AT_HOME | {"others": HERS},
        "family",
        ("Aisha lives at home with her parents and younger brother, who is 15 and endlessly annoying."),
    ),
    (
        STUDENT_AT_HOME | {"others": HERS},
        "general_description",
        ("Aisha is a 19-year-old college student living with her parents and her teenage brother."),
    ),
    (
        STUDENT_AT_HOME | {"others": HERS},
        "job_description",
        ("She studies full time and does not have a job, though she sometimes tutors neighbors' children."),
    ),
    (
        STUDENT_AT_HOME | {"others": HERS},
        "workplace",
        ("Her campus is where she spends most of her day; she works in the library between classes."),
    ),
    (
        STUDENT_AT_HOME | {"others": HERS},
        "work_habits",
        ("She works best at night and often leaves papers until the last minute."),
    ),
    (
        STUDENT_AT_HOME | {"others": HERS},
        "motivations",
        ("She dreams of becoming a doctor like her aunt, who is a surgeon in Boston."),
    ),
    (STUDENT_AT_HOME | {"others": HERS}, "family", "Her mother is a retired nurse and her father drives a bus."),
    (
        RETIRED,
        "general_description",
        "Maria is a 74-year-old retiree who worked as a high school teacher for 31 years.",
    ),
    (
        RETIRED,
        "job_description",
        ("Before retiring, she worked as a bookkeeper in a small hardware store; now she volunteers at the library."),
    ),
    (
        RETIRED | {"marital_status": "widowed"},
        "family",
        (
            "Widowed for some years, Maria lives alone, but her two sons call every Sunday and her grandchildren visit "
            "often."
        ),
    ),
    (
        RETIRED | {"marital_status": "widowed"},
        "family",
        ("She married young and raised three children; her husband passed away in 2015."),
    ),
    (
        RETIRED,
        "workplace",
        ("She no longer has a workplace, but she treats the community garden as one and works there most mornings."),
    ),
    (
        RETIRED,
        "daily_routine",
        (
            "She walks to the library at nine, works on the crossword, and has lunch with a friend who lives with her "
            "daughter."
        ),
    ),
    (
        ABROAD,
        "general_description",
        "Maria moved to Cambridge from Brazil in her twenties and has been a nurse ever since.",
    ),
    (
        ABROAD,
        "general_description",
        ("Originally from Brazil, Maria, 34, is a nurse who is still learning the customs of New England."),
    ),
    (ABROAD, "motivations", "She wants to become a US citizen and buy a house in her thirties."),
    (
        ABROAD,
        "community_role",
        "She cannot vote but goes to neighborhood meetings and helps other immigrants with forms.",
    ),
    (
        {},
        "job_description",
        (
            "As a registered nurse at a teaching hospital, Maria manages a team, trains new staff, and keeps charts in "
            "order."
        ),
    ),
    ({}, "job_description", "Maria works as a nurse, but she thinks like an engineer."),
    (
        {},
        "workplace",
        "Her boss, a former soldier, runs the ward like a ship; he says she is the best teacher he has had.",
    ),
    ({}, "work_habits", "She is a driver of change on her ward and never leaves a chart unfinished."),
    (
        {},
        "friends",
        (
            "Her closest friends are a retired couple next door and a waiter named Paul, who makes her laugh with his "
            "stories."
        ),
    ),
    ({}, "friends", "She and her friend Dana, a lawyer, have dinner every month; Dana is married and has twins."),
    ({}, "family", "Maria has never married and is close to her parents, who live in Worcester with her grandmother."),
    ({}, "family", "She is an only child, and her father, 68, still fixes things for her when he visits."),
    ({}, "family", "She lives alone in a rented one-bedroom but calls her mother, a widow, every evening."),
    ({}, "family", "Though single, she is a devoted aunt to her brother's two boys."),
    ({}, "community_role", "A practicing Catholic, she attends Mass most Sundays and votes Democratic."),
    ({}, "community_role", "She is Catholic but not strict, and she votes in every local election."),
    ({}, "social_habits", "She is warm with patients, and people often take her for a mother of three."),
    ({}, "leisure_habits", "She takes a pottery class taught by an 80-year-old man who calls her kid."),
    ({}, "appearance", "She dresses like a woman in her twenties and moves like someone half her age."),
    ({}, "health_habits", "She sleeps seven hours, runs 5 miles twice a week and sees her doctor once a year."),
    (
        {},
        "general_description",
        ("Born and raised in Massachusetts, Maria is a nurse who earns a decent salary of about $71,000."),
    ),
    (
        {},
        "general_description",
        ("Maria is a nurse in her thirties who grew up in Somerville, the daughter of Portuguese immigrants."),
    ),
    ({}, "general_description", "The daughter of immigrants from Brazil, she was born in Massachusetts."),
    (
        {"personality": traits(extraversion=0.1)},
        "personality_description",
        ("Reserved and quiet, she is not shy so much as careful; her sister is the outgoing one."),
    ),
    ({"personality": traits(neuroticism=0.05)}, "personality_description", "She is calm, steady and rarely anxious."),
    (
        {"personality": traits(neuroticism=0.95)},
        "personality_description",
        ("She is anxious by nature, though her colleagues think she is calm and relaxed."),
    ),
    (
        {"others": [MATE]},
        "family",
        "She shares a rented apartment with a housemate and has dinner at her sister's on Sundays.",
    ),
    (
        {"others": [MATE]},
        "family",
        "Maria is single and lives with a roommate, Kim, who works nights and has a boyfriend.",
    ),
    (
        {"home": DORM, "age": 20},
        "general_description",
        ("Maria lives in a dorm with a roommate from Texas and eats in the dining hall."),
    ),
]
