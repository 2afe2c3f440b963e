"""Ids as people's browsers send them."""

import pytest

from app import ids


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7", 7), ("007", 7), ("9223372036854775807", ids.LARGEST)])
def test_decimal_digits_are_an_id_as_far_as_bigint_reaches(text, number):
    assert ids.parse(text) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1\n", "1.0", "x", "\u0663", "9223372036854775808", "9" * 5000])
def test_nothing_else_is(text):
    assert ids.parse(text) is None
