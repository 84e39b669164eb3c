"""Thresholds of the reading of rows, halved or doubled one at a time: each turns the named test red."""

from thresholds import assert_red, planted

# Threshold, test, and what it is called with for each factor.
PLANTED = [
    (
        "rows.APART",
        "test_rows.test_halves_are_joined_if_they_are_near_and_nearer_if_one_is_clearly_a_digit",
        {0.5: {"gap": 24, "sure": 0.4, "answer": "0000"}, 2: {"gap": 36, "sure": 0.4, "answer": "000??"}},
    ),
    ("rows.BROAD", "test_rows.test_what_has_slim_halves_is_a_letter", {0.5: {"width": 108, "answer": "000?"}}),
    (
        "rows.BROAD",
        "test_rows.test_a_cut_is_worth_it_where_the_parts_are_sure_and_the_whole_is_not",
        {2: {"whole": 0.8, "parts": 0.99, "answer": "00077"}},
    ),
    (
        "rows.CLEAR",
        "test_rows.test_a_slim_1_that_touches_another_digit_is_cut_off_where_the_whole_is_not_clear",
        {0.5: {"width": 78, "answer": "00071"}},
    ),
    (
        "rows.CLEAR",
        "test_rows.test_halves_are_joined_if_they_are_near_and_nearer_if_one_is_clearly_a_digit",
        {2: {"gap": 16, "sure": 0.995, "answer": "0001?"}},
    ),
    (
        "rows.CUT",
        "test_rows.test_a_cut_through_much_ink_needs_less_confidence_in_the_whole",
        {0.5: {"whole": 0.85, "answer": "0008"}, 2: {"whole": 0.75, "answer": "00077"}},
    ),
    (
        "rows.RowReader._row: min(first + 3",
        "test_rows.test_a_digit_may_be_broken_into_three_parts",
        {0.5: {"number": 3, "answer": "0008"}, 2: {"number": 4, "answer": "000????"}},
    ),
    (
        "rows.HIGH",
        "test_rows.test_a_mark_near_the_top_may_be_the_arm_of_a_5",
        {0.5: {"top": 110, "sure": 0.99, "answer": "05"}, 2: {"top": 132, "sure": 0.99, "answer": "06?"}},
    ),
    (
        "rows.JOIN",
        "test_rows.test_a_join_is_worth_it_where_the_halves_are_not_sure",
        {0.5: {"sure": 0.9, "answer": "00011"}, 2: {"sure": 0.75, "answer": "0000"}},
    ),
    (
        "rows.MOST_CUT",
        "test_rows.test_a_page_of_nothing_but_doubtful_ink_is_not_cut",
        {0.5: {"number": 30, "tried": True}, 2: {"number": 50, "tried": False}},
    ),
    (
        "rows.NEAR",
        "test_rows.test_halves_are_joined_if_they_are_near_and_nearer_if_one_is_clearly_a_digit",
        {0.5: {"gap": 8, "sure": 0.995, "answer": "0000"}, 2: {"gap": 16, "sure": 0.995, "answer": "0001?"}},
    ),
    (
        "rows.PAIR",
        "test_rows.test_a_slim_1_that_touches_another_digit_is_cut_off_where_the_whole_is_not_clear",
        {0.5: {"width": 66, "answer": "0008"}, 2: {"width": 78, "answer": "00071"}},
    ),
    (
        "rows.SURE",
        "test_rows.test_a_cut_is_worth_it_where_the_parts_are_sure_and_the_whole_is_not",
        {0.5: {"whole": 0.2, "parts": 0.95, "answer": "000?"}, 2: {"whole": 0.8, "parts": 0.99, "answer": "00077"}},
    ),
    ("rows.TALL", "test_rows.test_a_part_lower_than_a_digit_is_not_a_digit", {0.5: {"height": 60, "answer": "000?"}}),
    (
        "rows.TALL",
        "test_rows.test_a_cut_is_worth_it_where_the_parts_are_sure_and_the_whole_is_not",
        {2: {"whole": 0.8, "parts": 0.99, "answer": "00077"}},
    ),
    (
        "rows.WIDEST",
        "test_rows.test_a_cut_is_worth_it_where_the_parts_are_sure_and_the_whole_is_not",
        {0.5: {"whole": 0.98, "parts": 0.99, "answer": "0008"}},
    ),
    (
        "rows.WIDEST",
        "test_rows.test_what_is_too_wide_for_a_digit_is_cut_however_sure_it_is",
        {2: {"width": 150, "answer": "00077"}},
    ),
    (
        "turns.MANY",
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {
            0.5: {"as_it_is": [0.5] * 5, "left": None, "right": None, "over": [0.99] * 5, "said": None},
            2: {"as_it_is": [0.5] * 9, "left": None, "right": None, "over": [0.99] * 9, "said": "page turned by 180°"},
        },
    ),
    (
        "turns.MARGIN",
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {
            0.5: {"as_it_is": [0.89] * 3, "left": [0.98] * 3, "right": None, "over": None, "said": None},
            2: {
                "as_it_is": [0.75] * 3,
                "left": [0.91] * 3,
                "right": [0.4] * 3,
                "over": None,
                "said": "page turned by +90°",
            },
        },
    ),
    (
        "turns.SURE",
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {
            0.5: {"as_it_is": [0.5] * 3, "left": [0.89] * 3, "right": None, "over": None, "said": None},
            2: {
                "as_it_is": [0.5] * 3,
                "left": [0.99] * 3,
                "right": [0.4] * 3,
                "over": None,
                "said": "page turned by +90°",
            },
        },
    ),
    ("turns._run_along: > 0.5", "test_turns.test_lines_of_which_a_third_is_upright_are_level", {0.5: {}}),
    (
        "turns._run_along: > 0.5",
        "test_turns.test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin",
        {
            2: {
                "as_it_is": [0.5] * 3,
                "left": [0.99] * 3,
                "right": [0.4] * 3,
                "over": None,
                "said": "page turned by +90°",
            }
        },
    ),
]


@planted(PLANTED)
def test_a_changed_threshold_turns_its_test_red(threshold, factor, test, arguments, monkeypatch):
    assert_red(f"model.{threshold}", factor, f"model.{test}", arguments, monkeypatch)
