"""What is published never lets a reader narrow a withheld count down: shown by somebody who tries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.suppression import Tables, cell, tabulate, withheld
from tests.attacker import Attacker

Records = dict[tuple[str, ...], int]
DIMENSIONS = ("a", "b", "c")
#: One-way, two-way, and linked ones in which margins are shared in chains and in a ring.
SHAPES: Sequence[tuple[tuple[str, ...], ...]] = (
    (("a",),),
    (("a", "b"),),
    (("a",), ("b",), ("c",)),
    (("a", "b"), ("c",)),
    (("a", "b"), ("a", "c")),
    (("a", "b"), ("b", "c"), ("a", "c")),
)


@st.composite
def some_tables(draw: st.DrawFn) -> Tables:
    shape = draw(st.sampled_from(SHAPES))
    names = {name for crossing in shape for name in crossing}
    categories = {
        name: tuple(f"{name}{number}" for number in range(draw(st.integers(1, 4)))) for name in sorted(names)
    }
    used = [name for name in DIMENSIONS if name in names]
    every = list(product(*(categories[name] for name in used)))
    number = st.one_of(st.just(0), st.integers(1, 6), st.integers(7, 300))
    records = {key: draw(number) for key in every}
    return tabulate(records, used, categories, shape)


@settings(max_examples=120)
@given(some_tables(), st.integers(2, 8), st.none() | st.integers(1, 12))
def test_no_attack_narrows_a_withheld_count(tables: Tables, least: int, protection: int | None) -> None:
    hidden = withheld(tables, least, protection)
    attacker = Attacker(tables, hidden)
    for place in hidden:
        low, high = attacker.range(place)
        assert high - low >= (least - 1 if protection is None else protection), place
        if tables.counts[place] < least and tables.counts[place] > 0:
            assert low <= 1 and high >= least, place


@settings(max_examples=60)
@given(some_tables(), st.integers(2, 8))
def test_every_small_count_is_withheld_and_nothing_without_one(tables: Tables, least: int) -> None:
    hidden = withheld(tables, least)
    small = {place for place, count in tables.counts.items() if 0 < count < least}
    assert small <= hidden <= set(tables.counts)
    assert small or not hidden


@settings(max_examples=40)
@given(some_tables())
def test_neither_order_nor_repetition_changes_what_is_withheld(tables: Tables) -> None:
    turned = Tables(
        tables.categories,
        [crossing[::-1] for crossing in reversed(tables.crossings)],
        dict(reversed(list(tables.counts.items()))),
    )
    assert withheld(turned) == withheld(tables) == withheld(tables)


@settings(max_examples=60)
@given(some_tables())
def test_what_is_known_anyway_narrows_nothing_either(tables: Tables) -> None:
    """A dimension whose categories are only listed from 5 on, as units are."""
    assume(all(tables.counts[cell(a=one)] >= 5 for one in tables.categories["a"]))
    assume(all(len(categories) > 1 for categories in tables.categories.values()))
    known = {cell(a=one): 5 for one in tables.categories["a"]}
    hidden = withheld(tables, known=known)
    attacker = Attacker(tables, hidden, known)
    for place in hidden:
        low, high = attacker.range(place)
        assert high - low >= 4
        if 0 < tables.counts[place] < 5:
            assert low <= 1 and high >= 5


def one_way(*counts: int) -> Tables:
    names = tuple(f"c{number}" for number in range(len(counts)))
    return tabulate(
        {(name,): n for name, n in zip(names, counts, strict=True)}, ["a"], {"a": names}, [("a",)]
    )


def test_one_small_count_takes_another_with_it() -> None:
    hidden = withheld(one_way(3, 40, 900))
    assert cell(a="c0") in hidden and len(hidden) == 2 and () not in hidden


def test_two_small_counts_that_sum_to_little_take_a_third() -> None:
    """1 + 1: a reader who knew their sum of 2 would know that both are below 5."""
    assert len(withheld(one_way(1, 1, 900))) == 3
    assert withheld(one_way(4, 4, 900)) == {cell(a="c0"), cell(a="c1")}


def test_a_small_total_is_withheld_too() -> None:
    assert () in withheld(one_way(3, 0, 0))


def test_a_small_count_in_a_table_takes_three_others_with_it() -> None:
    counts: Records = {("a0", "b0"): 2, ("a0", "b1"): 60, ("a1", "b0"): 70, ("a1", "b1"): 80}
    tables = tabulate(counts, ["a", "b"], {"a": ("a0", "a1"), "b": ("b0", "b1")}, [("a", "b")])
    assert withheld(tables) == {cell(a=one, b=other) for one, other in counts}


def test_a_margin_that_two_tables_share_is_protected_in_both() -> None:
    """The margin of `a` is small in c, where it would follow from the other table's row."""
    counts: Records = {
        ("a0", "b0", "c0"): 3,
        ("a1", "b0", "c1"): 50,
        ("a1", "b1", "c0"): 50,
        ("a0", "b1", "c1"): 9,
    }
    categories = {"a": ("a0", "a1"), "b": ("b0", "b1"), "c": ("c0", "c1")}
    tables = tabulate(counts, DIMENSIONS, categories, [("a", "b"), ("a", "c")])
    alone = tabulate(counts, DIMENSIONS, categories, [("a", "b")])
    attacker = Attacker(tables, withheld(tables))
    assert all(high - low >= 4 for low, high in map(attacker.range, attacker.unknown))
    assert withheld(alone) < withheld(tables)


def test_the_attacker_breaks_tables_where_only_small_counts_are_withheld() -> None:
    tables = one_way(3, 40, 900)
    assert Attacker(tables, frozenset({cell(a="c0")})).range(cell(a="c0")) == (3, 3)
    assert Attacker(tables, frozenset({cell(a="c0"), cell(a="c1")})).range(cell(a="c0")) == (0, 43)


def test_counts_that_do_not_add_up_are_refused() -> None:
    tables = one_way(3, 40)
    with pytest.raises(ValueError, match="add up"):
        withheld(Tables(tables.categories, tables.crossings, {**tables.counts, (): 44}))
    with pytest.raises(ValueError, match="1 or more"):
        withheld(tables, least=0)
    with pytest.raises(KeyError):
        tabulate({("c9",): 1}, ["a"], {"a": ("c0",)}, [("a",)])
