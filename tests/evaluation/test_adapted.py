"""The model behind an adapter, by name, and its rows."""

import polars as pl
import pytest

from cityfolk.evaluation.adapted import of_base, without_adapter


@pytest.mark.parametrize(
    ("model", "adapter", "base"),
    [
        ("m@1+Diplomat-dpo@2", "Diplomat-dpo", "m@1"),
        ("m@1+Diplomat-dpo@2?dtype=float32", "Diplomat-dpo", "m@1?dtype=float32"),
        ("m@1", "", "m@1"),
        ("a+b@1+mine@2", "mine", "a+b@1"),
        ("m@1+other@2", "mine", "m@1+other@2"),
    ],
)
def test_the_name_of_the_model_itself(model, adapter, base):
    assert without_adapter(model, adapter) == base


def test_the_base_speaks_for_itself_and_an_adapter_where_it_did_not():
    rows = pl.DataFrame({"model": ["m@1", "m@1", "m@1+mine@2"], "adapter": ["", "", "mine"], "said": [0, 0, 2]})
    part = rows.filter(pl.col("adapter") == "mine")
    assert of_base(rows, part)["said"].to_list() == [0, 0]
    assert of_base(part, part)["said"].to_list() == [2]
    assert of_base(rows, rows.head(1))["said"].to_list() == [0, 0]
