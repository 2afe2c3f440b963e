"""How much the tests of faults try: a little in CI, many times as much where FAULTS=nightly.

The places are drawn; FAULTS_SEED draws others.
"""

import os
import random
from collections.abc import Sequence
from typing import TypeVar

NIGHTLY = os.environ.get("FAULTS") == "nightly"
SEED = os.environ.get("FAULTS_SEED", "3")

Thing = TypeVar("Thing")


def some(things: Sequence[Thing], number: int, nightly: int | None = None) -> list[Thing]:
    """That many of them, drawn with FAULTS_SEED and in their order; at night `nightly`, or all."""
    wanted = (nightly or len(things)) if NIGHTLY else number
    drawn = random.Random(SEED).sample(range(len(things)), min(wanted, len(things)))
    return [things[index] for index in sorted(drawn)]
