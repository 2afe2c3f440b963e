"""Charts: SVG that needs nothing from anywhere else."""

import re
from xml.etree import ElementTree

import pytest

from app import charts

HOSTILE = ["<script>alert(1)</script>", "a\x00b\x1b\ufffe", "&amp;\"'", "x" * 500, "", "\U0001f600 ﷽"]


def drawn(svg: bytes) -> ElementTree.Element:
    """The picture, once it is found to be well-formed and to refer to nothing."""
    text = svg.decode()
    for forbidden in ("<script", "javascript:", "@import", "url(", "href", "<image", "<foreignObject", "<desc"):
        assert forbidden not in text
    assert re.findall(r"https?://[^\"']+", text) == ["http://www.w3.org/2000/svg"]
    return ElementTree.fromstring(text)


def bars(root: ElementTree.Element) -> list[float]:
    return [
        float(bar.get("height")) for bar in root.iter() if "rect reactive" in bar.get("class", "").replace("  ", " ")
    ]


@pytest.mark.parametrize("size", [charts.WIDE, charts.NARROW])
def test_columns_are_as_high_as_their_time(size):
    root = drawn(charts.columns(["Mon", "Tue", "Wed"], [[60, 120, 0], [60, 60, 240]], size))
    assert (root.get("width"), root.get("height")) == (str(size.width), str(size.height))
    one, two, none, *others = bars(root)
    assert two == pytest.approx(2 * one) and none == 0
    assert others == pytest.approx([one, one, 4 * one])


@pytest.mark.parametrize("size", [charts.WIDE, charts.NARROW])
def test_names_that_are_hostile_to_xml_are_only_names(size):
    texts = [text.text for text in drawn(charts.bars(HOSTILE, [5, 4, 3, 2, 1, 0], size)).iter() if "text" in text.tag]
    assert any((text or "").startswith("<script>alert") for text in texts)
    drawn(charts.columns(HOSTILE, [[5, 4, 3, 2, 1, 0]], size))


def test_nothing_is_drawn_of_nothing():
    drawn(charts.columns(["Mon"], [], charts.WIDE))
    drawn(charts.columns(["Mon"], [[0]], charts.WIDE))
    drawn(charts.bars([], [], charts.WIDE))


@pytest.mark.parametrize("highest", [0, 1, 59, 60, 61, 1000, 99_999, 10**7, 10**10])
@pytest.mark.parametrize("parts", [2, 4])
def test_axes_are_marked_at_few_round_hours(highest, parts):
    marks = charts.axis(highest, parts)
    assert marks[0] == 0 and marks[-1] >= highest
    assert 2 <= len(marks) <= parts + 1
    assert all(mark % 15 == 0 for mark in marks)


def test_the_dots_of_the_table_have_the_colours_of_the_chart():
    with open("app/static/style.css") as file:
        found = re.findall(r"--part-(\d): (#\w+);", file.read())
    assert found == [
        (str(number), colour) for scheme in (charts.LIGHT, charts.DARK) for number, colour in enumerate(scheme)
    ]


@pytest.mark.only_pg("pg18")
def test_the_answer_may_only_use_its_own_style(as_user, cast):
    answer = as_user("alice").get("/reports/chart.svg")
    assert answer.mimetype == "image/svg+xml"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';") and "script" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in as_user("alice").get("/reports").headers["Content-Security-Policy"]
