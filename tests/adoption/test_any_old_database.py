"""Any old database arrives with nothing lost, or is refused and stays as it was.

Every pair of compatible traits comes together in a set of covering_sets(); hypothesis draws further ones. What it finds
becomes a test with a name in test_counter_examples.py. FUZZ_DRAWS says how many are drawn beside, FUZZ_SEED which.
"""

import os
import random
from collections import Counter

import pytest
from adoption.pairs import compatible_pairs, covering_sets, pairs_in, without_conflicts
from adoption.rows import draw_rows
from adoption.traits import REFUSED, TRAITS, are_compatible
from adoption.trial import place_in, try_adoption, try_refusal
from faults.proxy import MOMENTS, Place
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

DRAWS = int(os.environ.get("FUZZ_DRAWS", "0"))
SEED = os.environ.get("FUZZ_SEED", "4")
SHARES = 8  # so that the workers of pytest-xdist divide them
REFUSALS = 16


def drawn_sets(server) -> list:
    """The sets that cover all pairs; on the older servers a part of them, and many more where FUZZ_DRAWS says so."""
    sets = covering_sets(SEED)
    if server.id != "pg18":
        return random.Random(SEED).sample(sets, 8)
    for number in range(max(0, DRAWS // 2 - len(sets)) // len(sets)):
        sets += covering_sets(f"{SEED} {number}")
    return sets


def test_no_compatible_pair_of_traits_is_left_out():
    drawn = Counter(pair for traits in covering_sets(SEED) for pair in pairs_in(traits))
    assert compatible_pairs() - drawn.keys() == set()
    assert all(len(traits) >= 3 for traits in covering_sets(SEED))
    assert len(TRAITS) >= 40


@pytest.mark.parametrize("share", range(SHARES))
def test_every_pair_of_traits_arrives(laboratory, share):
    for number, traits in enumerate(drawn_sets(laboratory.server)):
        if number % SHARES == share:
            rng = random.Random(f"{SEED} {number}")
            try_adoption(
                laboratory,
                draw_rows(rng.choice, fewest=1),
                traits,
                kill=place_in(rng) if number % 5 == 1 else None,
                by_hand=number % 6 == 2,
            )


def drawing(draws: int, share: int):
    """Hypothesis, with a seed of its own for each share."""

    def decorate(test):
        limits = settings(
            max_examples=draws,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        return seed(f"{SEED} {share}")(limits(test))

    return decorate


def old_traits(fewest: int = 3):
    """Some traits that may come together."""
    some = st.lists(st.sampled_from(TRAITS), min_size=fewest, max_size=14, unique_by=lambda trait: trait.name)
    return some.map(without_conflicts).filter(lambda traits: len(traits) >= fewest)


@pytest.mark.parametrize("share", range(SHARES))
def test_any_traits_arrive(laboratory, share):
    @drawing(DRAWS // 2 // SHARES or (2 if laboratory.server.id == "pg18" else 1), share)
    @given(
        data=st.data(),
        traits=old_traits(),
        kill=st.none() | st.builds(Place, st.integers(5, 150), st.sampled_from(MOMENTS)),
    )
    def arrives(data, traits, kill):
        rows = draw_rows(lambda things: data.draw(st.sampled_from(things)))
        try_adoption(laboratory, rows, traits, kill=kill)

    arrives()


@pytest.mark.parametrize("share", range(SHARES))
def test_what_cannot_arrive_is_refused_and_stays_as_it_was(laboratory, share):
    """Each of REFUSED at least once, with others and with traits that would arrive."""
    count = max(REFUSALS if laboratory.server.id == "pg18" else len(REFUSED), DRAWS // 10)
    for number in range(share, count, SHARES):
        rng = random.Random(f"{SEED} refused {number}")
        wanted = [REFUSED[number % len(REFUSED)], *rng.sample(REFUSED, rng.randint(0, 3))]
        wanted += rng.sample(TRAITS, 8)
        traits = without_conflicts(dict.fromkeys(wanted))
        try_refusal(laboratory, draw_rows(rng.choice, fewest=1), traits)


def test_each_trait_of_the_refused_can_stand_beside_most_others():
    for trait in REFUSED:
        assert sum(are_compatible(trait, other) for other in TRAITS) > len(TRAITS) / 2, trait.name
