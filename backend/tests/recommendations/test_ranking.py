import pytest

from app.catalogue import Catalogue, Gift
from app.recommendations import Wish, age_closeness, recommend


def gift(gift_id: str, **differences: object) -> Gift:
    usual = {"title": gift_id, "category": gift_id, "price": 1000, "interests": {"chess"}, "age_from": 0, "age_to": 100}
    return Gift.model_validate({"id": gift_id} | usual | differences)


def names(gifts: list[Gift], wish: Wish, limit: int = 10) -> list[str]:
    return [rated.gift.id for rated in recommend(Catalogue(gifts), wish, limit)]


def test_nothing_above_the_budget():
    gifts = [gift("at-budget", price=500), gift("above", price=501)]
    assert names(gifts, Wish(budget=500)) == ["at-budget"]


@pytest.mark.parametrize(("age", "expected"), [(6, []), (7, ["toy"]), (10, ["toy"]), (11, [])])
def test_nothing_for_another_age(age, expected):
    assert names([gift("toy", age_from=7, age_to=10)], Wish(budget=1000, age=age)) == expected


def test_nothing_without_a_common_interest():
    gifts = [gift("board", interests={"chess", "travel"}), gift("pan", interests={"cooking"})]
    assert names(gifts, Wish(budget=1000, interests=frozenset({"chess"}))) == ["board"]


def test_more_common_interests_come_first():
    gifts = [gift("one", interests={"chess"}), gift("two", interests={"chess", "books"})]
    wish = Wish(budget=1000, interests=frozenset({"chess", "books"}))
    ranked = recommend(Catalogue(gifts), wish, limit=10)
    assert [(rated.gift.id, rated.matched_interests) for rated in ranked] == [
        ("two", ["books", "chess"]),
        ("one", ["chess"]),
    ]


def test_nearer_to_the_budget_comes_first():
    assert names([gift("cheap", price=100), gift("dear", price=900)], Wish(budget=1000)) == ["dear", "cheap"]


def test_nearer_to_the_middle_of_the_age_range_comes_first():
    gifts = [gift("edge", age_from=30, age_to=80), gift("middle", age_from=10, age_to=50)]
    assert names(gifts, Wish(budget=1000, age=30)) == ["middle", "edge"]


def test_common_interests_outweigh_budget_and_age_together():
    gifts = [
        gift("fits-otherwise", price=1000, interests={"chess"}, age_from=20, age_to=40),
        gift("shares-both", price=10, interests={"chess", "books"}, age_from=30, age_to=90),
    ]
    wish = Wish(budget=1000, interests=frozenset({"chess", "books", "art"}), age=30)
    assert names(gifts, wish) == ["fits-otherwise", "shares-both"]
    wish = Wish(budget=1000, interests=frozenset({"books"}), age=30)
    assert names(gifts, wish) == ["shares-both"]


def test_equal_scores_are_ordered_by_id():
    assert names([gift("b"), gift("c"), gift("a")], Wish(budget=1000)) == ["a", "b", "c"]


def test_third_of_a_category_stands_behind_the_rest_but_is_not_lost():
    games = [gift(f"game-{price}", price=price, category="games") for price in (900, 800, 700)]
    gifts = [*games, gift("book", price=100, category="books")]
    assert names(gifts, Wish(budget=1000)) == ["game-900", "game-800", "book", "game-700"]


def test_limit_keeps_the_best():
    gifts = [gift(f"gift-{price}", price=price) for price in (100, 500, 900)]
    assert names(gifts, Wish(budget=1000), limit=2) == ["gift-900", "gift-500"]


def test_scores_lie_between_zero_and_one():
    wish = Wish(budget=1000, interests=frozenset({"chess"}), age=50)
    perfect, poor = recommend(Catalogue([gift("perfect"), gift("poor", price=1, age_from=50)]), wish, limit=2)
    assert perfect.score == 1.0
    assert 0 < poor.score < perfect.score


def test_a_range_of_one_year_is_its_own_middle():
    assert age_closeness(gift("first-birthday", age_from=1, age_to=1), Wish(budget=1, age=1)) == 1.0
