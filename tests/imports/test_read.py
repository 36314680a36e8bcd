"""Files of every kind give the same rows; those that are not what they say give a sentence."""

import json

import polars as pl
import pytest

from cityfolk.errors import CityfolkError, DataError, UsageError
from cityfolk.imports import read
from cityfolk.imports.read import read_file

ROWS = [{"Name": "Ada", "Age": 41, "Bio": "Mends clocks."}, {"Name": "Bo", "Age": 29, "Bio": "Sings."}]


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def save(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_every_kind_of_file_gives_the_same_rows(folder):
    frame = pl.DataFrame(ROWS)
    frame.write_parquet(folder / "a.parquet")
    frame.write_csv(folder / "a.csv")
    frame.write_csv(folder / "a.tsv", separator="\t")
    frame.write_ndjson(folder / "a.jsonl")
    save(folder / "a.json", json.dumps({"profiles": ROWS}))
    save(folder / "b.json", json.dumps({"x": ROWS[0], "y": ROWS[1]}))
    for name in ("a.parquet", "a.csv", "a.tsv", "a.jsonl", "a.json", "b.json"):
        rows = [{k: str(v) for k, v in row.items() if k != "id"} for row in read_file(folder / name).rows]
        assert rows == [{k: str(v) for k, v in row.items()} for row in ROWS], name


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_hugging_face_folder_is_read_without_its_library(folder, kind):
    (folder / "d" / "data").mkdir(parents=True)
    save(folder / "d" / "dataset_info.json", json.dumps({"features": {"Name": {"dtype": "string"}}}))
    save(folder / "d" / "README.md", "---\nlicense: mit\n---\n")
    for i, row in enumerate(ROWS):
        path = folder / "d" / "data" / f"train-{i:05d}-of-00002.{kind}"
        frame = pl.DataFrame([row])
        frame.write_parquet(path) if kind == "parquet" else frame.write_ndjson(path)
    assert [row["Name"] for row in read_file(folder / "d").rows] == ["Ada", "Bo"]


def test_a_saved_dataset_of_arrow_streams_is_read(folder):
    (folder / "d").mkdir()
    save(folder / "d" / "state.json", "{}")
    pl.DataFrame(ROWS).write_ipc_stream(folder / "d" / "data-00000-of-00001.arrow")
    assert [row["Age"] for row in read_file(folder / "d").rows] == [41, 29]


def test_nested_keys_become_paths_and_lists_stay_lists(folder):
    path = save(folder / "a.json", json.dumps([{"A": {"B": {"C": 1}, "D": ["x", " y "]}, "E": [{"f": 1}, {"f": 2}]}]))
    assert read_file(path).rows == [{"A/B/C": 1, "A/D": ["x", "y"], "E": ["f: 1", "f: 2"]}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_with_a_mark_are_known(folder, encoding):
    (folder / "a.json").write_bytes(json.dumps([{"t": "naïve Łódź"}], ensure_ascii=False).encode(encoding))
    assert read_file(folder / "a.json").rows == [{"t": "naïve Łódź"}]


def test_bytes_that_are_no_text_are_replaced_and_counted(folder):
    (folder / "a.json").write_bytes('[{"t": "café"}]'.encode("latin-1"))
    raw = read_file(folder / "a.json")
    assert raw.rows == [{"t": "caf\ufffd"}] and raw.replaced_bytes == 1


def test_nul_and_surrogates_are_taken_out_and_counted(folder):
    raw = read_file(save(folder / "a.json", r'[{"t": "a\u0000b\ud800c"}]'))
    assert raw.rows == [{"t": "abc"}] and raw.cleaned == 1
    pl.DataFrame(raw.rows)


def test_what_is_too_long_is_cut_and_counted(folder, monkeypatch):
    monkeypatch.setattr(read, "MOST_TEXT", 10)
    raw = read_file(save(folder / "a.json", json.dumps([{"t": "x" * 11}])))
    assert raw.rows == [{"t": "x" * 10}] and raw.cut == 1


def deep(levels):
    value = "end"
    for _ in range(levels):
        value = {"k": value}
    return value


def test_what_is_nested_deeply_is_one_text_at_most(folder):
    (row,) = read_file(save(folder / "a.json", json.dumps([{"t": "x", **deep(300)}]))).rows
    assert row["t"] == "x" and max(key.count("/") for key in row) < 12


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"", "is empty"),
        ("a.json", b"[]", "holds no record"),
        ("a.json", bytes(range(256)) * 40, "binary"),
        ("a.bin", b"GIF89a...", "is not JSON"),
        ("a.json", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        ("a.parquet", b"PAR1 not really", "cannot be read as PARQUET"),
        ("a.arrow", b"not arrow", "cannot be read as ARROW"),
    ],
)
def test_a_file_that_is_not_what_it_says_gives_a_sentence(folder, name, content, words):
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_file(folder / name)
    assert caught.value.hint


def test_no_file_and_an_empty_folder(folder):
    with pytest.raises(UsageError, match="no file"):
        read_file(folder / "none.json")
    with pytest.raises(DataError, match="holds no Parquet"):
        read_file(folder)


def test_bounds_of_records_keys_and_bytes(folder, monkeypatch):
    path = save(folder / "a.json", json.dumps([{str(i): 1} for i in range(20)]))
    for name, most in (("MOST_ROWS", 5), ("MOST_COLUMNS", 5), ("MOST_BYTES", 5)):
        with monkeypatch.context() as patch:
            patch.setattr(read, name, most)
            with pytest.raises(CityfolkError):
                read_file(path)
