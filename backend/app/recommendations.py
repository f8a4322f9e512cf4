"""Which gifts suit a person. Pure: a wish and a catalogue in, a ranking out."""

from collections import Counter
from dataclasses import dataclass

from app.catalogue import Catalogue, Gift

INTEREST_WEIGHT = 0.6
BUDGET_WEIGHT = 0.25
AGE_WEIGHT = 0.15
# Five board games in a row are one idea, not five.
MOST_PER_CATEGORY = 2


@dataclass(frozen=True)
class Wish:
    budget: int
    interests: frozenset[str] = frozenset()
    age: int | None = None


@dataclass(frozen=True)
class Recommendation:
    gift: Gift
    score: float
    matched_interests: list[str]


def recommend(catalogue: Catalogue, wish: Wish, limit: int) -> list[Recommendation]:
    suitable = [rate(gift, wish) for gift in catalogue if is_suitable(gift, wish)]
    # The id breaks ties, so that two servers answer alike.
    suitable.sort(key=lambda rated: (-rated.score, rated.gift.id))
    return spread_over_categories(suitable)[:limit]


def is_suitable(gift: Gift, wish: Wish) -> bool:
    if gift.price > wish.budget:
        return False
    if wish.age is not None and not gift.suits_age(wish.age):
        return False
    return not wish.interests or bool(gift.interests & wish.interests)


def rate(gift: Gift, wish: Wish) -> Recommendation:
    matched = gift.interests & wish.interests
    score = (
        INTEREST_WEIGHT * interest_share(matched, wish)
        + BUDGET_WEIGHT * gift.price / wish.budget
        + AGE_WEIGHT * age_closeness(gift, wish)
    )
    return Recommendation(gift, round(score, 4), sorted(matched))


def interest_share(matched: frozenset[str], wish: Wish) -> float:
    return len(matched) / len(wish.interests) if wish.interests else 0.0


def age_closeness(gift: Gift, wish: Wish) -> float:
    """1 in the middle of the gift's age range, 0 at its ends."""
    if wish.age is None:
        return 0.0
    half_range = (gift.age_to - gift.age_from) / 2
    if half_range == 0:
        return 1.0
    middle = gift.age_from + half_range
    return 1 - abs(wish.age - middle) / half_range


def spread_over_categories(ranked: list[Recommendation]) -> list[Recommendation]:
    """Moves what exceeds a category's share behind the rest, and drops nothing."""
    seen: Counter[str] = Counter()
    first: list[Recommendation] = []
    later: list[Recommendation] = []
    for rated in ranked:
        seen[rated.gift.category] += 1
        (first if seen[rated.gift.category] <= MOST_PER_CATEGORY else later).append(rated)
    return first + later
