"""Thresholds of the preparation, halved or doubled one at a time: each turns the named test red."""

import functools
import importlib
import importlib.util
from pathlib import Path

import pytest

from mlp_cli.errors import ImageError

PLANTED = [
    ("ink.BORDER", 0.5, "test_sheet.test_an_edge_with_digits_beyond_it_is_a_shadow", {}),
    (
        "ink.BORDER",
        2,
        "test_digits.test_a_thing_that_fills_a_small_picture_is_seen_as_a_whole",
        {"corners": [(4, 0), (23, 0), (23, 27), (4, 27)]},
    ),
    ("ink.FINE", 0.5, "test_ink.test_a_thumbnail_is_the_mean_over_areas", {}),
    ("ink.LEAST_CONTRAST", 0.5, "test_ink.test_ink_needs_a_contrast", {"contrast": 16, "is_blank": True}),
    ("ink.LEAST_CONTRAST", 2, "test_ink.test_ink_needs_a_contrast", {"contrast": 34, "is_blank": False}),
    (
        "ink.LUMINOUS",
        0.5,
        "test_ink.test_luminance_suffices_with_four_tenths_of_the_contrast_of_colour",
        {"ink": (220, 135, 120), "share": 0.33},
    ),
    (
        "ink.LUMINOUS",
        2,
        "test_ink.test_luminance_suffices_with_four_tenths_of_the_contrast_of_colour",
        {"ink": (220, 160, 120), "share": 0.55},
    ),
    ("ink.NOISE", 0.5, "test_ink.test_little_of_a_strong_noise_is_ink", {}),
    ("ink.PAPER_SIDE", 0.5, "test_ink.test_little_of_a_strong_noise_is_ink", {}),
    ("ink.PLATEAU", 2, "test_ink.test_little_of_a_strong_noise_is_ink", {}),
    ("ink.WINDOWS", 0.5, "test_ink.test_little_of_a_strong_noise_is_ink", {}),
    (
        "marks.END",
        0.5,
        "test_marks.test_a_ruled_line_is_thin_and_nearly_level_and_goes_nearly_to_the_border",
        {"line": (2, 150, 297, 150), "width": 3, "number": 1},
    ),
    (
        "marks.END",
        2,
        "test_marks.test_a_ruled_line_is_thin_and_nearly_level_and_goes_nearly_to_the_border",
        {"line": (5, 150, 294, 150), "width": 3, "number": 0},
    ),
    ("marks.FLAT", 0.5, "test_digits.test_an_underline_is_not_part_of_a_digit", {}),
    ("marks.FLAT", 2, "test_digits.test_an_underline_is_not_part_of_a_digit", {}),
    ("marks.FRAME_COVER", 0.5, "test_marks.test_an_angular_zero_with_a_stroke_in_it_is_not_a_frame", {}),
    ("marks.FRAME_COVER", 2, "test_marks.test_a_frame_goes_and_the_digit_in_it_stays", {}),
    (
        "marks.FRAME_SIDE",
        0.5,
        "test_marks.test_a_frame_has_a_least_size_and_no_thick_walls",
        {"side": 45, "width": 4, "is_frame": False},
    ),
    (
        "marks.FRAME_SIDE",
        2,
        "test_marks.test_a_frame_has_a_least_size_and_no_thick_walls",
        {"side": 100, "width": 4, "is_frame": True},
    ),
    (
        "marks.FRAME_THICKNESS",
        0.5,
        "test_marks.test_a_frame_has_a_least_size_and_no_thick_walls",
        {"side": 260, "width": 20, "is_frame": True},
    ),
    (
        "marks.FRAME_THICKNESS",
        2,
        "test_marks.test_a_frame_has_a_least_size_and_no_thick_walls",
        {"side": 260, "width": 36, "is_frame": False},
    ),
    ("marks.LINE_END", 0.5, "test_marks.test_a_ruled_line_so_faint_that_it_comes_and_goes_is_erased", {}),
    ("marks.LINE_END", 2, "test_marks.test_a_ruled_line_goes_even_if_a_digit_is_written_near_its_end", {}),
    (
        "marks.LINE_THICKNESS",
        0.5,
        "test_marks.test_a_ruled_line_is_thin_and_nearly_level_and_goes_nearly_to_the_border",
        {"line": (0, 150, 300, 150), "width": 5, "number": 1},
    ),
    (
        "marks.LINE_THICKNESS",
        2,
        "test_marks.test_a_ruled_line_is_thin_and_nearly_level_and_goes_nearly_to_the_border",
        {"line": (0, 150, 300, 150), "width": 10, "number": 0},
    ),
    ("marks.MOST_FRAMES", 0.5, "test_marks.test_the_search_for_nested_frames_is_limited", {}),
    ("marks.MOST_FRAMES", 2, "test_marks.test_the_search_for_nested_frames_is_limited", {}),
    ("marks.RING_COVER", 0.5, "test_marks.test_a_ring_may_be_open_but_not_as_wide_as_a_c", {}),
    ("marks.RING_COVER", 2, "test_marks.test_a_ring_may_be_open_but_not_as_wide_as_a_c", {}),
    ("marks.RING_HOLDS", 0.5, "test_marks.test_a_ring_around_a_mark_is_told_from_a_digit_with_something_in_it", {}),
    ("marks.RING_HOLDS", 2, "test_marks.test_a_ring_around_a_mark_is_told_from_a_digit_with_something_in_it", {}),
    (
        "marks.RING_SIDE",
        0.5,
        "test_marks.test_a_ring_around_a_mark_is_a_tenth_of_the_page",
        {"side": 24, "is_ring": False},
    ),
    (
        "marks.RING_SIDE",
        2,
        "test_marks.test_a_ring_around_a_mark_is_a_tenth_of_the_page",
        {"side": 50, "is_ring": True},
    ),
    (
        "marks.SLOPE",
        0.5,
        "test_marks.test_a_ruled_line_is_thin_and_nearly_level_and_goes_nearly_to_the_border",
        {"line": (0, 144, 300, 156), "width": 2, "number": 1},
    ),
    (
        "marks.SLOPE",
        2,
        "test_marks.test_what_is_no_underline_stays",
        {"line": (20, 206, 275, 236, 6), "why": "slanted"},
    ),
    (
        "marks.UNDERLINE",
        0.5,
        "test_marks.test_what_is_no_underline_stays",
        {"line": (60, 206, 240, 206, 6), "why": "short"},
    ),
    ("marks.UNDERLINE", 2, "test_marks.test_an_underline_goes_whether_the_digits_touch_it_or_not", {}),
    ("marks.UNDERLINE_COVER", 0.5, "test_marks.test_digits_whose_feet_stand_in_a_line_are_not_underlined", {}),
    ("marks.UNDERLINE_COVER", 2, "test_marks.test_an_underline_goes_whether_the_digits_touch_it_or_not", {}),
    ("sheet.ALL_AROUND", 0.5, "test_sheet.test_a_step_on_three_sides_makes_no_sheet", {}),
    (
        "sheet.ALL_AROUND",
        2,
        "test_sheet.test_in_a_picture_of_a_few_pixels_there_are_no_sheets",
        {"side": 100, "is_sheet": True},
    ),
    ("sheet.AWAY", 0.5, "test_sheet.test_a_line_around_a_digit_is_not_a_sheet", {}),
    ("sheet.AWAY", 2, "test_sheet.test_a_sheet_is_found_though_there_is_more_paper_near_it", {}),
    ("sheet.EDGE", 0.5, "test_sheet.test_the_rim_of_a_sheet_is_cut_off", {}),
    (
        "sheet.EDGE",
        2,
        "test_sheet.test_the_corners_of_a_sheet_are_found",
        {"inside": 230, "outside": 210, "corners": [(120, 50), (300, 70), (280, 250), (100, 230)]},
    ),
    (
        "sheet.LARGEST",
        0.5,
        "test_sheet.test_a_sheet_with_little_outline_of_its_own_may_be_the_light_side_of_a_shadow",
        {"box": (0, 0, 200, 300), "is_lit": True},
    ),
    (
        "sheet.LEAST_SIDE",
        0.5,
        "test_sheet.test_in_a_picture_of_a_few_pixels_there_are_no_sheets",
        {"side": 60, "is_sheet": False},
    ),
    (
        "sheet.LEAST_SIDE",
        2,
        "test_sheet.test_in_a_picture_of_a_few_pixels_there_are_no_sheets",
        {"side": 100, "is_sheet": True},
    ),
    (
        "sheet.LEAST_STEP",
        0.5,
        "test_sheet.test_a_clear_step_in_level_makes_a_sheet_and_a_small_one_does_not",
        {"step": 6},
    ),
    (
        "sheet.LEAST_STEP",
        2,
        "test_sheet.test_a_clear_step_in_level_makes_a_sheet_and_a_small_one_does_not",
        {"step": 12},
    ),
    ("sheet.LEVELS", 0.5, "test_sheet.test_a_small_patch_is_not_a_sheet", {}),
    ("sheet.MOST_SHEETS", 0.5, "test_sheet.test_the_four_sharpest_of_many_sheets_are_looked_at", {}),
    ("sheet.MOST_SHEETS", 2, "test_sheet.test_the_four_sharpest_of_many_sheets_are_looked_at", {}),
    (
        "sheet.OWN",
        0.5,
        "test_sheet.test_a_sheet_with_little_outline_of_its_own_may_be_the_light_side_of_a_shadow",
        {"box": (0, 0, 200, 300), "is_lit": True},
    ),
    (
        "sheet.OWN",
        2,
        "test_sheet.test_a_sheet_with_little_outline_of_its_own_may_be_the_light_side_of_a_shadow",
        {"box": (0, 40, 250, 250), "is_lit": False},
    ),
    ("sheet.SHARP", 0.5, "test_sheet.test_light_that_fades_towards_the_corners_makes_no_sheet", {}),
    ("sheet.SHARP", 2, "test_sheet.test_a_sheet_may_be_out_of_focus", {}),
    ("sheet.SIDE", 0.5, "test_sheet.test_a_step_on_three_sides_makes_no_sheet", {}),
    ("sheet.SIDE", 2, "test_sheet.test_a_line_around_a_digit_is_not_a_sheet", {}),
    ("sheet.SMALLEST", 0.5, "test_sheet.test_a_small_patch_is_not_a_sheet", {}),
    ("sheet.SMALLEST", 2, "test_sheet.test_a_small_patch_is_not_a_sheet", {}),
    (
        "sheet.SOLID",
        0.5,
        "test_sheet.test_a_sheet_may_have_a_dent_but_is_not_a_horseshoe",
        {"deep": 160, "is_sheet": False},
    ),
    (
        "sheet.SOLID",
        2,
        "test_sheet.test_in_a_picture_of_a_few_pixels_there_are_no_sheets",
        {"side": 100, "is_sheet": True},
    ),
    (
        "sheet.SQUARE",
        0.5,
        "test_sheet.test_sides_at_right_angles_say_how_a_sheet_that_is_cut_off_lies",
        {"lean": 20, "turn": 0},
    ),
    (
        "sheet.SQUARE",
        2,
        "test_sheet.test_sides_at_right_angles_say_how_a_sheet_that_is_cut_off_lies",
        {"lean": 0, "turn": 20},
    ),
    ("sheet.STRAIGHT", 0.5, "test_sheet.test_a_sheet_may_have_a_bent_corner", {}),
    (
        "sheet.TOUCH",
        0.5,
        "test_sheet.test_a_sheet_is_cut_off_where_enough_of_its_outline_is_the_border",
        {"share": 0.03, "is_open": False},
    ),
    (
        "sheet.TOUCH",
        2,
        "test_sheet.test_a_sheet_is_cut_off_where_enough_of_its_outline_is_the_border",
        {"share": 0.06, "is_open": True},
    ),
    ("sheet.WORKING_SIDE", 0.5, "test_sheet.test_a_large_page_is_reduced_to_1200_pixels_and_keeps_its_detail", {}),
    ("sheet.WORKING_SIDE", 2, "test_sheet.test_a_large_page_is_reduced_to_1200_pixels_and_keeps_its_detail", {}),
    (
        "single.ANOTHER",
        0.5,
        "test_digits.test_a_mark_half_as_long_beside_a_digit_is_another_digit",
        {"length": 50, "is_digit": False},
    ),
    (
        "single.ANOTHER",
        2,
        "test_digits.test_a_mark_half_as_long_beside_a_digit_is_another_digit",
        {"length": 70, "is_digit": True},
    ),
    ("single.DUST", 0.5, "test_digits.test_fragments_are_near_and_large_enough", {}),
    ("single.DUST", 2, "test_digits.test_what_is_thicker_than_the_digit_is_no_fragment_of_it", {}),
    ("single.FAR", 0.5, "test_digits.test_a_large_fragment_may_lie_farther_below", {"distance": 50, "bottom": 250}),
    ("single.FAR", 2, "test_digits.test_a_large_fragment_may_lie_farther_below", {"distance": 90, "bottom": 160}),
    (
        "single.LEAST_SIDE",
        0.5,
        "test_sheet.test_a_sheet_is_looked_at_for_a_digit_of_a_tenth_of_its_side",
        {"length": 12, "is_sheet": False},
    ),
    (
        "single.LEAST_SIDE",
        2,
        "test_sheet.test_a_sheet_is_looked_at_for_a_digit_of_a_tenth_of_its_side",
        {"length": 26, "is_sheet": True},
    ),
    (
        "single.MOST_PIECES",
        0.5,
        "test_digits.test_a_broken_digit_has_a_limited_number_of_pieces",
        {"crumbs": 8, "is_digit": True},
    ),
    (
        "single.MOST_PIECES",
        2,
        "test_digits.test_a_broken_digit_has_a_limited_number_of_pieces",
        {"crumbs": 20, "is_digit": False},
    ),
    ("single.NEAR", 0.5, "test_digits.test_fragments_are_near_and_large_enough", {}),
    (
        "single.NEAR",
        2,
        "test_digits.test_a_mark_half_as_long_beside_a_digit_is_another_digit",
        {"length": 70, "is_digit": True},
    ),
    ("single.THICKER", 0.5, "test_digits.test_a_large_fragment_may_lie_farther_below", {"distance": 50, "bottom": 250}),
    ("single.THICKER", 2, "test_digits.test_what_is_thicker_than_the_digit_is_no_fragment_of_it", {}),
    ("strokes.THICK", 0.5, "test_strokes.test_strokes_of_the_right_width_are_unchanged", {"units": 2.7}),
    ("strokes.THICK", 2, "test_strokes.test_thick_strokes_are_thinned_to_the_target", {"units": 6}),
    ("strokes.THIN", 0.5, "test_strokes.test_thin_strokes_are_thickened_to_the_target", {"side": 60, "units": 2.0}),
    ("strokes.THIN", 2, "test_strokes.test_strokes_of_the_right_width_are_unchanged", {"units": 2.7}),
    ("strokes.THINNED", 0.5, "test_strokes.test_thick_strokes_are_thinned_to_the_target", {"units": 6}),
    ("strokes.THINNED", 2, "test_strokes.test_thick_strokes_are_thinned_to_the_target", {"units": 6}),
]


@functools.cache
def module_of(name):
    """The module of tests of this name beside this file."""
    spec = importlib.util.spec_from_file_location(f"planted_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("threshold", "factor", "test", "arguments"), PLANTED, ids=[f"{t} × {f}" for t, f, *_ in PLANTED]
)
def test_a_changed_threshold_turns_its_test_red(threshold, factor, test, arguments, monkeypatch):
    room, name = threshold.split(".")
    module = importlib.import_module(f"mlp_cli.images.{room}")
    value = getattr(module, name)
    changed = tuple(v * factor for v in value) if isinstance(value, tuple) else type(value)(value * factor)
    monkeypatch.setattr(module, name, changed)
    file, function = test.split(".")
    call = getattr(module_of(file), function)
    with pytest.raises((AssertionError, pytest.fail.Exception, ImageError)):
        call(**arguments)
