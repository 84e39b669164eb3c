"""Thresholds of the reading of rows, halved or doubled one at a time: each turns the named test red."""

import pytest
from thresholds import assert_red

PLANTED = [
    (
        "rows.APART",
        0.5,
        "test_rows.test_halves_are_joined_if_they_are_near_and_nearer_if_one_is_clearly_a_digit",
        {"gap": 24, "sure": 0.4, "answer": "0000"},
    ),
    (
        "rows.APART",
        2,
        "test_rows.test_halves_are_joined_if_they_are_near_and_nearer_if_one_is_clearly_a_digit",
        {"gap": 36, "sure": 0.4, "answer": "000??"},
    ),
    ("rows.BROAD", 0.5, "test_rows.test_what_has_slim_halves_is_a_letter", {"width": 108, "answer": "000?"}),
    (
        "rows.BROAD",
        2,
        "test_rows.test_a_cut_is_worth_it_where_the_parts_are_sure_and_the_whole_is_not",
        {"whole": 0.8, "parts": 0.99, "answer": "00077"},
    ),
    (
        "rows.CLEAR",
        0.5,
        "test_rows.test_a_slim_1_that_touches_another_digit_is_cut_off_where_the_whole_is_not_clear",
        {"width": 78, "answer": "00071"},
    ),
    (
        "rows.CLEAR",
        2,
        "test_rows.test_halves_are_joined_if_they_are_near_and_nearer_if_one_is_clearly_a_digit",
        {"gap": 16, "sure": 0.995, "answer": "0001?"},
    ),
    (
        "rows.CUT",
        0.5,
        "test_rows.test_a_cut_through_much_ink_needs_less_confidence_in_the_whole",
        {"whole": 0.85, "answer": "0008"},
    ),
    (
        "rows.CUT",
        2,
        "test_rows.test_a_cut_through_much_ink_needs_less_confidence_in_the_whole",
        {"whole": 0.75, "answer": "00077"},
    ),
    (
        "rows.RowReader._row: min(first + 3",
        0.5,
        "test_rows.test_a_digit_may_be_broken_into_three_parts",
        {"number": 3, "answer": "0008"},
    ),
    (
        "rows.RowReader._row: min(first + 3",
        2,
        "test_rows.test_a_digit_may_be_broken_into_three_parts",
        {"number": 4, "answer": "000????"},
    ),
    (
        "rows.HIGH",
        0.5,
        "test_rows.test_a_mark_near_the_top_may_be_the_arm_of_a_5",
        {"top": 110, "sure": 0.99, "answer": "05"},
    ),
    (
        "rows.HIGH",
        2,
        "test_rows.test_a_mark_near_the_top_may_be_the_arm_of_a_5",
        {"top": 132, "sure": 0.99, "answer": "06?"},
    ),
    (
        "rows.JOIN",
        0.5,
        "test_rows.test_a_join_is_worth_it_where_the_halves_are_not_sure",
        {"sure": 0.9, "answer": "00011"},
    ),
    (
        "rows.JOIN",
        2,
        "test_rows.test_a_join_is_worth_it_where_the_halves_are_not_sure",
        {"sure": 0.75, "answer": "0000"},
    ),
    (
        "rows.MOST_CUT",
        0.5,
        "test_rows.test_a_page_of_nothing_but_doubtful_ink_is_not_cut",
        {"number": 30, "tried": True},
    ),
    (
        "rows.MOST_CUT",
        2,
        "test_rows.test_a_page_of_nothing_but_doubtful_ink_is_not_cut",
        {"number": 50, "tried": False},
    ),
    (
        "rows.NEAR",
        0.5,
        "test_rows.test_halves_are_joined_if_they_are_near_and_nearer_if_one_is_clearly_a_digit",
        {"gap": 8, "sure": 0.995, "answer": "0000"},
    ),
    (
        "rows.NEAR",
        2,
        "test_rows.test_halves_are_joined_if_they_are_near_and_nearer_if_one_is_clearly_a_digit",
        {"gap": 16, "sure": 0.995, "answer": "0001?"},
    ),
    (
        "rows.PAIR",
        0.5,
        "test_rows.test_a_slim_1_that_touches_another_digit_is_cut_off_where_the_whole_is_not_clear",
        {"width": 66, "answer": "0008"},
    ),
    (
        "rows.PAIR",
        2,
        "test_rows.test_a_slim_1_that_touches_another_digit_is_cut_off_where_the_whole_is_not_clear",
        {"width": 78, "answer": "00071"},
    ),
    (
        "rows.SURE",
        0.5,
        "test_rows.test_a_cut_is_worth_it_where_the_parts_are_sure_and_the_whole_is_not",
        {"whole": 0.2, "parts": 0.95, "answer": "000?"},
    ),
    (
        "rows.SURE",
        2,
        "test_rows.test_a_cut_is_worth_it_where_the_parts_are_sure_and_the_whole_is_not",
        {"whole": 0.8, "parts": 0.99, "answer": "00077"},
    ),
    ("rows.TALL", 0.5, "test_rows.test_a_part_lower_than_a_digit_is_not_a_digit", {"height": 60, "answer": "000?"}),
    (
        "rows.TALL",
        2,
        "test_rows.test_a_cut_is_worth_it_where_the_parts_are_sure_and_the_whole_is_not",
        {"whole": 0.8, "parts": 0.99, "answer": "00077"},
    ),
    (
        "rows.WIDEST",
        0.5,
        "test_rows.test_a_cut_is_worth_it_where_the_parts_are_sure_and_the_whole_is_not",
        {"whole": 0.98, "parts": 0.99, "answer": "0008"},
    ),
    (
        "rows.WIDEST",
        2,
        "test_rows.test_what_is_too_wide_for_a_digit_is_cut_however_sure_it_is",
        {"width": 150, "answer": "00077"},
    ),
    (
        "turns.MANY",
        0.5,
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {"as_it_is": [0.5] * 5, "left": None, "right": None, "over": [0.99] * 5, "said": None},
    ),
    (
        "turns.MANY",
        2,
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {"as_it_is": [0.5] * 9, "left": None, "right": None, "over": [0.99] * 9, "said": "page turned by 180°"},
    ),
    (
        "turns.MARGIN",
        0.5,
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {"as_it_is": [0.89] * 3, "left": [0.98] * 3, "right": None, "over": None, "said": None},
    ),
    (
        "turns.MARGIN",
        2,
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {"as_it_is": [0.75] * 3, "left": [0.91] * 3, "right": [0.4] * 3, "over": None, "said": "page turned by +90°"},
    ),
    (
        "turns.SURE",
        0.5,
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {"as_it_is": [0.5] * 3, "left": [0.89] * 3, "right": None, "over": None, "said": None},
    ),
    (
        "turns.SURE",
        2,
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {"as_it_is": [0.5] * 3, "left": [0.99] * 3, "right": [0.4] * 3, "over": None, "said": "page turned by +90°"},
    ),
    (
        "turns._run_along: > 0.5",
        0.5,
        "test_turns.test_lines_of_which_a_third_is_upright_are_level",
        {},
    ),
    (
        "turns._run_along: > 0.5",
        2,
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {"as_it_is": [0.5] * 3, "left": [0.99] * 3, "right": [0.4] * 3, "over": None, "said": "page turned by +90°"},
    ),
]


@pytest.mark.parametrize(
    ("threshold", "factor", "test", "arguments"), PLANTED, ids=[f"{t} × {f}" for t, f, *_ in PLANTED]
)
def test_a_changed_threshold_turns_its_test_red(threshold, factor, test, arguments, monkeypatch):
    assert_red(f"model.{threshold}", factor, f"model.{test}", arguments, monkeypatch)
