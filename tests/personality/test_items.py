"""The IPIP-NEO-120 items: 24 a trait, 4 a facet, facets named as in the norms."""

import json
from collections import Counter
from importlib.resources import files

from cityfolk.personality.norms import norms_file


def test_items_make_up_the_scales():
    data = json.loads(files("cityfolk.personality").joinpath("items/ipip_neo_120.json").read_text(encoding="utf-8"))
    items = data["items"]
    assert [item["number"] for item in items] == list(range(1, 121))
    assert len({item["text"] for item in items}) == 120
    facets = {(trait, facet) for trait, names in norms_file()["facets"].items() for facet in names}
    counts = Counter((item["trait"], item["facet"]) for item in items)
    assert counts == dict.fromkeys(facets, 4)
    assert {item["keyed"] for item in items} == {-1, 1}
    keyed = {item["text"]: (item["trait"], item["keyed"]) for item in items}
    assert keyed["Worry about things"] == ("neuroticism", 1)
    assert keyed["Use others for my own ends"] == ("agreeableness", -1)
