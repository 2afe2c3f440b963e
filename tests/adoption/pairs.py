"""Sets of traits in which every pair of compatible traits comes together at least once."""

import random
from collections.abc import Iterable
from itertools import combinations

from adoption.traits import TRAITS, Trait, are_compatible

Pair = frozenset[str]

SIZE = 16  # traits a set: the more, the fewer sets


def pairs_in(traits: Iterable[Trait]) -> list[Pair]:
    """The pairs of a set."""
    return [frozenset((one.name, other.name)) for one, other in combinations(traits, 2)]


def compatible_pairs() -> set[Pair]:
    """Every pair that may come together."""
    return {frozenset((one.name, other.name)) for one, other in combinations(TRAITS, 2) if are_compatible(one, other)}


def without_conflicts(traits: Iterable[Trait]) -> list[Trait]:
    """The traits, without each that cannot stand beside an earlier one."""
    kept: list[Trait] = []
    for trait in traits:
        if all(are_compatible(trait, other) for other in kept):
            kept.append(trait)
    return kept


def covering_sets(seed: str = "pairs") -> list[list[Trait]]:
    """Cover all pairs, greedily: each set begins with a pair that is left and takes what adds most new pairs."""
    by_name = {trait.name: trait for trait in TRAITS}
    rng = random.Random(seed)
    left = compatible_pairs()
    sets = []
    while left:
        chosen = [by_name[name] for name in sorted(min(left, key=sorted))]
        while len(chosen) < SIZE:
            gains = {
                trait.name: sum(frozenset((trait.name, other.name)) in left for other in chosen)
                for trait in TRAITS
                if all(are_compatible(trait, other) for other in chosen)
            }
            if not gains:
                break
            most = max(gains.values())
            chosen.append(by_name[rng.choice([name for name, gain in gains.items() if gain == most])])
        left -= set(pairs_in(chosen))
        sets.append(chosen)
    return sets
