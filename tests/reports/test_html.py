"""Escaping is a law: no text, whoever wrote it, becomes markup."""

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityfolk.errors import UsageError
from cityfolk.reports.html import Html, bidi, clean, data_block, join, page, render, table, tag

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "<!-- -->]]>",
    "[a](javascript:alert(1)) **bold** `code`",
    "&lt;b&gt; &amp; &#60;",
)


class Read(HTMLParser):
    """Collects what a browser would see: tags with attributes, and text."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def read(markup):
    parser = Read()
    parser.feed(markup)
    parser.close()
    return parser


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_content_and_attribute(text):
    seen = read(tag("p", text, title=text).markup)
    assert seen.tags == [("p", {"title": text})]
    assert seen.text == text


@given(st.text())
def test_any_text_comes_back_as_it_was_cleaned(text):
    # A parser reads a carriage return as a line feed, as browsers do.
    seen = read(tag("p", text, data_x=text).markup)
    assert [name for name, _ in seen.tags] == ["p"]
    assert seen.text.replace("\r", "\n") == clean(text).replace("\r", "\n")


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists))
def test_no_node_makes_a_tag_of_its_own(node):
    assert read(render(node)).tags == []


def test_characters_that_html_forbids_or_that_reorder_text_are_shown():
    assert clean("a\x00b\x1bc\u202ed\u2066e\ud800") == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffd"
    assert clean("tab\tline\nKyō 李 שלום") == "tab\tline\nKyō 李 שלום"


@pytest.mark.parametrize(
    "attributes",
    [
        {"onclick": "x()"},
        {"OnClick": "x()"},
        {"src": "x"},
        {"href": "javascript:alert(1)"},
        {"href": "//evil"},
        {"a b": "c"},
    ],
)
def test_attributes_that_run_or_load_are_refused(attributes):
    with pytest.raises(UsageError):
        tag("a", "x", **attributes)


def test_links_lead_to_the_page_or_the_web_from_anchors_only():
    assert 'href="#here"' in tag("a", "x", href="#here").markup
    assert 'href="https://example.org/a?b=c&amp;d"' in tag("a", "x", href="https://example.org/a?b=c&d").markup
    with pytest.raises(UsageError):
        tag("link", href="https://example.org")


def test_false_none_and_true_attributes():
    assert (
        tag("input", hidden=True, disabled=False, value=None, aria_label="x").markup == '<input hidden aria-label="x">'
    )


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_a_data_block_reads_back_and_cannot_be_closed_from_inside(value):
    markup = data_block("d", value).markup
    inside = markup.removeprefix('<script type="application/json" id="d">').removesuffix("</script>")
    assert not re.search(r"[<>&]", inside)
    assert json.loads(inside) == value


def test_a_table_names_itself_and_its_columns():
    seen = read(table(("a", "b"), [("x", 1), ("<i>", 2)], caption="c", numeric=(1,), row_classes=["inside", ""]).markup)
    kinds = [name for name, _ in seen.tags]
    assert kinds.count("th") == 2 and kinds.count("tr") == 3 and "caption" in kinds and "i" not in kinds
    assert ("tr", {"class": "inside"}) in seen.tags


def test_a_page_runs_its_own_script_only_and_loads_nothing():
    whole = page("<t>", tag("p", "x"), style="p{}", script="1;")
    seen = read(whole)
    policy = next(a["content"] for _, a in seen.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    # sha256 of b"1;" in base64, computed with openssl
    assert "'sha256-" in policy and "unsafe-inline" not in policy.split("script-src")[1]
    assert "<title>&lt;t&gt;</title>" in whole


def test_join_and_bidi():
    assert join("a<", Html("<b>"), None, 3).markup == "a&lt;<b>3"
    assert bidi("<x>").markup == "<bdi>&lt;x&gt;</bdi>"
