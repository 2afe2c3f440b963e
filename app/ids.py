"""Ids of rows, as addresses and forms name them: all that a BIGINT holds, for an adopted database may have such."""

import re

from werkzeug.routing import IntegerConverter, Map

LARGEST = 2**63 - 1
DIGITS = "[0-9]{1,19}"


class IdConverter(IntegerConverter):
    """An id in the address of a page, such as `/people/<id:user_id>`; what no row can have is not found."""

    regex = DIGITS

    def __init__(self, url_map: Map):
        super().__init__(url_map, max=LARGEST)


def parse(text: str) -> int | None:
    """Return the id that `text` names, in decimal digits; None where it is none."""
    number = int(text) if re.fullmatch(DIGITS, text) else None
    return number if number is not None and number <= LARGEST else None
