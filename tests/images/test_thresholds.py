"""Thresholds of the preparation, halved or doubled one at a time: each turns the named test red."""

import numpy as np
from images.test_sheet import ONE, SEVEN
from thresholds import assert_red, planted

# Threshold, test, and what it is called with for each factor.
PLANTED = [
    (
        "decode.COLOUR",
        "test_decode.test_a_picture_has_colour_where_its_channels_differ_clearly_in_enough_places",
        {0.5: {"levels": 12, "share": 0.01, "has_colour": False}, 2: {"levels": 24, "share": 0.01, "has_colour": True}},
    ),
    (
        "decode.COLOURED",
        "test_decode.test_a_picture_has_colour_where_its_channels_differ_clearly_in_enough_places",
        {
            0.5: {"levels": 60, "share": 0.0015, "has_colour": False},
            2: {"levels": 60, "share": 0.003, "has_colour": True},
        },
    ),
    (
        "decode.LEAST_SPREAD",
        "test_decode.test_levels_of_16_bits_need_a_spread_and_are_stretched_over_all_levels",
        {0.5: {"spread": 0.04, "is_blank": True}, 2: {"spread": 0.08, "is_blank": False}},
    ),
    (
        "decode.THUMBNAIL",
        "test_decode.test_a_thin_stroke_has_a_colour_and_the_noise_of_a_photo_has_none",
        {0.5: {}, 2: {}},
    ),
    (
        "decode._on_paper: > 127.5",
        "test_decode.test_the_paper_of_ink_on_nothing_is_what_differs_more_from_it",
        {0.5: {"ink": 100, "width": 4, "paper": 255}, 2: {"ink": 155, "width": 4, "paper": 0}},
    ),
    (
        "decode._on_paper: < 0.5",
        "test_decode.test_the_paper_of_ink_on_nothing_is_what_differs_more_from_it",
        {0.5: {"ink": 100, "width": 20, "paper": 255}},
    ),
    (
        "decode._on_paper: < 0.5",
        "test_decode.test_transparent_margins_of_a_page_are_paper",
        {2: {"paper": 240, "pen": 20}},
    ),
    ("ink.BORDER", "test_sheet.test_an_edge_with_digits_beyond_it_is_a_shadow", {0.5: {}}),
    (
        "ink.BORDER",
        "test_digits.test_a_thing_that_fills_a_small_picture_is_seen_as_a_whole",
        {2: {"corners": [(4, 0), (23, 0), (23, 27), (4, 27)]}},
    ),
    (
        "ink.DARK",
        "test_ink.test_ink_in_a_deep_shadow_is_as_full_as_any_and_the_noise_of_darkness_is_none",
        {0.5: {}, 2: {}},
    ),
    (
        "ink.FOUND",
        "test_ink.test_a_broad_stroke_is_ink_beside_a_thin_one",
        {0.5: {"level": 50, "thin": np.s_[20:100, 20:25]}},
    ),
    (
        "ink.FOUND",
        "test_ink.test_a_shadow_with_a_hard_edge_is_paper",
        {2: {"light": "band", "ink": 0.5, "thickness": 12}},
    ),
    ("ink.FINE", "test_ink.test_a_thumbnail_is_the_mean_over_areas", {0.5: {}}),
    ("ink.FULL", "test_rows.test_a_faint_point_is_not_written_though_most_digits_are_in_pencil", {0.5: {}}),
    ("ink.FULL", "test_ink.test_black_specks_do_not_make_the_ink_of_a_pencil_faint", {2: {}}),
    (
        "ink.LEAST_CONTRAST",
        "test_ink.test_ink_needs_a_contrast",
        {0.5: {"contrast": 16, "is_blank": True}, 2: {"contrast": 34, "is_blank": False}},
    ),
    (
        "ink.LUMINOUS",
        "test_ink.test_luminance_suffices_with_four_tenths_of_the_contrast_of_colour",
        {0.5: {"ink": (220, 135, 120), "share": 0.33}, 2: {"ink": (220, 160, 120), "share": 0.55}},
    ),
    ("ink.NOISE", "test_ink.test_little_of_a_strong_noise_is_ink", {0.5: {}}),
    ("ink.NOISE", "test_ink.test_faint_ink_is_found_in_noise_that_is_weaker", {2: {"deviation": 7}}),
    (
        "ink.PLATEAU",
        "test_ink.test_a_shadow_with_a_hard_edge_is_paper",
        {0.5: {"light": "leaning", "ink": 0.2, "thickness": 3}},
    ),
    ("ink.PLATEAU", "test_ink.test_little_of_a_strong_noise_is_ink", {2: {}}),
    (
        "ink.POLARITY_SIDE",
        "test_ink.test_a_deep_shadow_does_not_hide_the_polarity_of_small_writing",
        {0.5: {"negative": False}},
    ),
    ("ink.SIDE", "test_ink.test_little_of_a_strong_noise_is_ink", {0.5: {}}),
    ("ink.SIDE", "test_ink.test_the_grain_of_paper_is_not_taken_for_faint_ink", {2: {}}),
    (
        "ink.STRONG",
        "test_ink.test_a_shadow_with_a_hard_edge_is_paper",
        {0.5: {"light": "band", "ink": 0.2, "thickness": 3}},
    ),
    (
        "ink.STRONG",
        "test_ink.test_a_broad_stroke_is_ink_beside_a_thin_one",
        {2: {"level": 115, "thin": np.s_[104:108, 20:100]}},
    ),
    ("ink.WINDOWS", "test_ink.test_little_of_a_strong_noise_is_ink", {0.5: {}}),
    (
        "ink.WINDOWS",
        "test_ink.test_the_ink_is_found_and_nothing_else_in_any_light",
        {2: {"light": "shadow", "thickness": 6}},
    ),
    (
        "ink._plain_paper: levels.size / 2",
        "test_ink.test_the_paper_of_a_drawing_is_its_most_common_level_though_its_border_is_ink",
        {0.5: {}},
    ),
    (
        "ink._plain_paper: levels.size / 2",
        "test_ink.test_the_light_of_a_photo_may_be_white_over_a_third_of_it",
        {2: {}},
    ),
    ("ink._threshold: paper, 0.5", "test_ink.test_little_of_a_strong_noise_is_ink", {0.5: {}}),
    ("ink._threshold: 1.4826", "test_ink.test_little_of_a_strong_noise_is_ink", {0.5: {}}),
    ("ink._threshold: 1.4826", "test_ink.test_faint_ink_is_found_in_noise_that_is_weaker", {2: {"deviation": 7}}),
    (
        "marks.END",
        "test_marks.test_a_ruled_line_is_thin_and_nearly_level_and_goes_nearly_to_the_border",
        {
            0.5: {"line": (2, 150, 297, 150), "width": 3, "number": 1},
            2: {"line": (4, 150, 295, 150), "width": 3, "number": 0},
        },
    ),
    ("marks.FLAT", "test_digits.test_an_underline_is_not_part_of_a_digit", {0.5: {}, 2: {}}),
    ("marks.FRAME_COVER", "test_marks.test_an_angular_zero_with_a_stroke_in_it_is_not_a_frame", {0.5: {}}),
    ("marks.FRAME_COVER", "test_marks.test_a_frame_goes_and_the_digit_in_it_stays", {2: {}}),
    (
        "marks.FRAME_SIDE",
        "test_marks.test_a_frame_has_a_least_size_and_no_thick_walls",
        {0.5: {"side": 45, "width": 4, "is_frame": False}, 2: {"side": 100, "width": 4, "is_frame": True}},
    ),
    (
        "marks.FRAME_THICKNESS",
        "test_marks.test_a_frame_has_a_least_size_and_no_thick_walls",
        {0.5: {"side": 260, "width": 20, "is_frame": True}, 2: {"side": 260, "width": 36, "is_frame": False}},
    ),
    (
        "marks.HOLLOW",
        "test_marks.test_a_hole_without_bays_or_one_much_shorter_than_the_digit_stays",
        {0.5: {"stroke": [(200, 280), (200, 40), (60, 40), (60, 90), (150, 90), (150, 160), (200, 160)]}},
    ),
    ("marks.HOLLOW", "test_digits.test_a_hollow_digit_is_the_stroke_that_it_is_the_outline_of", {2: {}}),
    ("marks.LINE_COVER", "test_marks.test_a_ruled_line_so_faint_that_it_comes_and_goes_is_erased", {0.5: {}, 2: {}}),
    (
        "marks.LINE_THICKNESS",
        "test_marks.test_a_ruled_line_is_thin_and_nearly_level_and_goes_nearly_to_the_border",
        {
            0.5: {"line": (0, 150, 300, 150), "width": 5, "number": 1},
            2: {"line": (0, 150, 300, 150), "width": 10, "number": 0},
        },
    ),
    ("marks.MOST_FRAMES", "test_marks.test_the_search_for_nested_frames_is_limited", {0.5: {}, 2: {}}),
    (
        "marks.NO_BAYS",
        "test_marks.test_an_outline_is_filled_between_its_lines_and_not_in_the_counter_of_a_4",
        {0.5: {"stroke": [(180, 260), (180, 50), (60, 190), (240, 190)]}},
    ),
    (
        "marks.NO_BAYS",
        "test_marks.test_a_hole_without_bays_or_one_much_shorter_than_the_digit_stays",
        {2: {"stroke": [(60, 150), (150, 40), (240, 150), (150, 260), (60, 150)]}},
    ),
    (
        "marks.Marks.tiles: 2 * self.area",
        "test_marks.test_on_a_solid_rectangle_what_is_blank_is_written",
        {0.5: {"shape": "upright"}, 2: {"shape": "as a frame"}},
    ),
    (
        "marks.TILE",
        "test_marks.test_on_a_solid_rectangle_what_is_blank_is_written",
        {0.5: {"shape": "a round one"}, 2: {"shape": "tilted"}},
    ),
    (
        "marks.WRITTEN",
        "test_marks.test_on_a_solid_rectangle_what_is_blank_is_written",
        {0.5: {"shape": "with a speck"}, 2: {"shape": "upright"}},
    ),
    (
        "marks.RING_PART",
        "test_marks.test_a_ring_may_hold_several_digits_but_two_specks_are_in_a_zero",
        {0.5: {"side": 30, "is_ring": False}, 2: {"side": 90, "is_ring": True}},
    ),
    ("marks.RING_COVER", "test_marks.test_a_ring_may_be_open_but_not_as_wide_as_a_c", {0.5: {}, 2: {}}),
    (
        "marks.RING_HOLDS",
        "test_marks.test_a_ring_around_a_mark_is_told_from_a_digit_with_something_in_it",
        {0.5: {}, 2: {}},
    ),
    (
        "marks.RING_SIDE",
        "test_marks.test_a_ring_around_a_mark_is_a_tenth_of_the_page",
        {0.5: {"side": 24, "is_ring": False}, 2: {"side": 50, "is_ring": True}},
    ),
    (
        "marks.SLOPE",
        "test_marks.test_a_ruled_line_is_thin_and_nearly_level_and_goes_nearly_to_the_border",
        {0.5: {"line": (0, 138, 300, 162), "width": 2, "number": 1}},
    ),
    (
        "marks.SLOPE",
        "test_marks.test_what_is_no_underline_stays",
        {2: {"line": (20, 206, 275, 236, 6), "why": "slanted"}},
    ),
    (
        "marks.TICK",
        "test_marks.test_ticks_on_a_line_go_with_it",
        {
            0.5: {"height": 60, "width": 10, "at": (20, 100, 180, 260), "goes": True},
            2: {"height": 110, "width": 10, "at": (20, 100, 180, 260), "goes": False},
        },
    ),
    (
        "marks.UNDERLINE",
        "test_marks.test_what_is_no_underline_stays",
        {0.5: {"line": (60, 206, 240, 206, 6), "why": "short"}},
    ),
    ("marks.UNDERLINE", "test_marks.test_an_underline_goes_whether_the_digits_touch_it_or_not", {2: {}}),
    ("marks.UNDERLINE_COVER", "test_marks.test_digits_whose_feet_stand_in_a_line_are_not_underlined", {0.5: {}}),
    ("marks.UNDERLINE_COVER", "test_marks.test_an_underline_goes_whether_the_digits_touch_it_or_not", {2: {}}),
    (
        "marks._walls_and_content: thickness, 0.1 * cell",
        "test_marks.test_what_is_within_a_tenth_of_a_cell_or_near_a_thick_wall_is_a_remain_of_it",
        {0.5: {"x": 36, "width": 4, "stays": False}, 2: {"x": 55, "width": 4, "stays": True}},
    ),
    (
        "marks._walls_and_content: side > 0.1 * cell",
        "test_marks.test_what_is_shorter_than_a_tenth_of_a_cell_is_a_speck_in_it",
        {0.5: {"side": 18, "stays": False}, 2: {"side": 36, "stays": True}},
    ),
    (
        "marks.WRITTEN",
        "test_marks.test_what_a_frame_holds_is_longer_than_the_stroke_in_a_rectangular_zero",
        {0.5: {"length": 24, "is_frame": False}, 2: {"length": 45, "is_frame": True}},
    ),
    ("marks._inner_walls: max(3", "test_marks.test_cells_of_tilted_hairlines_go", {0.5: {}}),
    ("marks._inner_walls: max(3", "test_marks.test_the_size_of_a_digit_in_a_grid_is_that_of_a_cell", {2: {}}),
    (
        "marks._walls_and_content: max(2",
        "test_marks.test_what_is_within_a_tenth_of_a_cell_or_near_a_thick_wall_is_a_remain_of_it",
        {0.5: {"x": 50, "width": 20, "stays": False}, 2: {"x": 70, "width": 20, "stays": True}},
    ),
    (
        "marks._crossing: max(2,",
        "test_marks.test_a_line_that_ends_a_pixel_before_the_border_of_a_small_picture_is_ruled",
        {0.5: {}},
    ),
    (
        "marks._crossing: width / 2",
        "test_marks.test_a_stroke_across_the_page_that_leans_by_more_than_a_tenth_is_no_ruled_line",
        {0.5: {"rise": 44, "number": 0}, 2: {"rise": 28, "number": 1}},
    ),
    ("marks._crossing: // 4", "test_marks.test_a_ruled_line_goes_though_digits_stand_on_most_of_it", {0.5: {}}),
    ("marks._crossing: , 2 * thickest", "test_marks.test_the_foot_of_a_2_on_a_ruled_line_stays", {0.5: {}, 2: {}}),
    (
        "marks._inner_walls: mask, 2",
        "test_marks.test_walls_between_cells_may_be_thicker_than_the_outer_ones",
        {0.5: {}},
    ),
    ("marks._inner_walls: mask, 2", "test_marks.test_a_digit_that_touches_its_frame_stays", {2: {}}),
    (
        "marks.without_ruling: max(2,",
        "test_marks.test_a_line_that_ends_a_pixel_before_the_border_of_a_small_picture_is_ruled",
        {0.5: {}},
    ),
    (
        "marks.without_underlines: bottom - height / 2",
        "test_marks.test_what_is_underlined_is_half_as_high_as_a_digit",
        {0.5: {"height": 60, "number": 1}, 2: {"height": 40, "number": 0}},
    ),
    (
        "marks.without_underlines: bottom - 2",
        "test_marks.test_an_underline_belongs_to_the_row_right_above_it",
        {0.5: {"gap": 80, "number": 1}, 2: {"gap": 150, "number": 0}},
    ),
    (
        "marks._inner_walls: 3 * thickness",
        "test_marks.test_walls_between_cells_go_though_they_are_tilted_broken_hairlines",
        {0.5: {}},
    ),
    ("marks._inner_walls: 3 * thickness", "test_marks.test_the_bars_of_sevens_are_not_a_wall", {2: {}}),
    ("marks._upper_wall: // 3", "test_marks.test_cells_of_tilted_hairlines_go", {0.5: {}}),
    (
        "marks._upper_wall: // 3",
        "test_marks.test_the_walls_of_a_frame_may_be_drawn_by_hand",
        {2: {"width": 3, "wobble": 1.5}},
    ),
    (
        "marks._upper_wall: max(2,",
        "test_marks.test_the_walls_of_a_frame_may_be_drawn_by_hand",
        {0.5: {"width": 3, "wobble": 1.5}},
    ),
    (
        "marks._upper_wall: thickness / 2",
        "test_marks.test_the_walls_of_a_frame_may_be_drawn_by_hand",
        {2: {"width": 12, "wobble": 3}},
    ),
    (
        "marks.without_underlines: height / 4",
        "test_marks.test_an_underline_is_not_thicker_than_a_quarter_of_a_digit",
        {0.5: {"width": 34, "number": 0}, 2: {"width": 20, "number": 1}},
    ),
    (
        "mnist.SMALLEST_SQUARE",
        "test_mnist.test_what_is_smaller_than_ten_pixels_is_enlarged_as_if_it_were_ten",
        {0.5: {}, 2: {}},
    ),
    (
        "mnist._is_hairline: > 0.1",
        "test_mnist.test_a_hairline_has_hardly_any_grey_edges",
        {0.5: {"grey": 3, "is_drawn": True}, 2: {"grey": 6, "is_drawn": False}},
    ),
    (
        "mnist._is_hairline: page < 250",
        "test_mnist.test_a_hairline_has_hardly_any_grey_edges",
        {0.5: {"grey": 6, "is_drawn": False}, 2: {"grey": 3, "is_drawn": True}},
    ),
    (
        "mnist.is_mnist_like: < 250",
        "test_mnist.test_an_mnist_image_moved_by_a_pixel_or_less_bright_is_not_taken_for_mnist",
        {0.5: {}, 2: {}},
    ),
    (
        "mnist.is_mnist_like: + 0.5",
        "test_mnist.test_an_mnist_image_moved_by_a_pixel_or_less_bright_is_not_taken_for_mnist",
        {0.5: {}, 2: {}},
    ),
    (
        "mnist.is_mnist_like: <= 0.75",
        "test_mnist.test_an_mnist_image_moved_by_a_pixel_or_less_bright_is_not_taken_for_mnist",
        {0.5: {}, 2: {}},
    ),
    (
        "rows.AT_BORDER",
        "test_rows.test_what_touches_the_border_is_no_taller_than_a_digit",
        {0.5: {"height": 112, "seen": "ddd"}, 2: {"height": 250, "seen": "dd"}},
    ),
    ("rows.BEND", "test_rows.test_a_cut_goes_aside_rather_than_through_ink", {0.5: {}, 2: {}}),
    (
        "rows.BESIDE",
        "test_rows.test_a_sign_is_what_the_pen_put_down_beside_digits",
        {0.5: {"what": "a dash nearly as far from them as digits are high"}, 2: {"what": "a dash far from them"}},
    ),
    ("rows.BREAK", "test_rows.test_a_break_in_a_stroke_is_not_a_sign", {0.5: {}, 2: {}}),
    ("rows.CUTS", "test_rows.test_a_piece_is_cut_at_twelve_places_at_most", {0.5: {}, 2: {}}),
    (
        "rows.DOT",
        "test_rows.test_a_sign_is_what_the_pen_put_down_beside_digits",
        {0.5: {"what": "a point half as large"}, 2: {"what": "a point as large as the pen"}},
    ),
    ("rows.DUST", "test_rows.test_a_point_has_a_least_size_whatever_the_pen", {0.5: {}, 2: {}}),
    (
        "rows.FAINT",
        "test_rows.test_a_sign_is_what_the_pen_put_down_beside_digits",
        {0.5: {"what": "a point too faint to be written"}, 2: {"what": "a point as large as the pen"}},
    ),
    (
        "rows.MOST_DIGITS",
        "test_rows.test_a_page_has_200_digits_at_most",
        {0.5: {"number": 150, "fits": True}, 2: {"number": 250, "fits": False}},
    ),
    (
        "rows.NEAR",
        "test_rows.test_what_is_above_a_digit_belongs_to_it_if_it_is_near",
        {0.5: {"gap": 15, "top": 61}, 2: {"gap": 33, "top": 83}},
    ),
    (
        "rows.OUTSIDE",
        "test_rows.test_a_sign_is_what_the_pen_put_down_beside_digits",
        {0.5: {"what": "a point that hangs a little"}, 2: {"what": "a point that hangs too low"}},
    ),
    (
        "rows.SLASH_LEAN",
        "test_rows.test_a_slash_is_straight_and_leans_and_is_taller_than_digits",
        {
            0.5: {"over": 12, "lean": 14, "bend": 0, "pen": 12, "seen": "ddd"},
            2: {"over": 12, "lean": 28, "bend": 0, "pen": 12, "seen": "d.d"},
        },
    ),
    (
        "rows.SLASH_SLIM",
        "test_rows.test_a_slash_is_straight_and_leans_and_is_taller_than_digits",
        {
            0.5: {"over": 12, "lean": 45, "bend": 40, "pen": 12, "seen": "ddd"},
            2: {"over": 12, "lean": 45, "bend": 0, "pen": 18, "seen": "d.d"},
        },
    ),
    (
        "rows.SLASH_TALL",
        "test_rows.test_a_slash_is_straight_and_leans_and_is_taller_than_digits",
        {
            0.5: {"over": 0, "lean": 45, "bend": 0, "pen": 12, "seen": "ddd"},
            2: {"over": 12, "lean": 45, "bend": 0, "pen": 12, "seen": "d.d"},
        },
    ),
    ("rows.SMALL", "test_rows.test_a_low_digit_is_a_digit_and_a_lower_one_a_sign", {0.5: {}, 2: {}}),
    (
        "rows.STACKED",
        "test_rows.test_two_bars_above_each_other_are_one_digit_if_they_are_near",
        {0.5: {"below": 20, "seen": "ddd"}, 2: {"below": 40, "seen": "dddd"}},
    ),
    (
        "rows.TALL",
        "test_rows.test_a_piece_has_a_limited_length_and_height_in_digits",
        {0.5: {"width": 12, "height": 235, "seen": True}, 2: {"width": 12, "height": 400, "seen": False}},
    ),
    (
        "rows.THROUGH",
        "test_rows.test_a_cut_goes_through_two_strokes_at_most",
        {0.5: {"rungs": 2, "parts": 2}, 2: {"rungs": 3, "parts": 1}},
    ),
    (
        "rows.WHOLE",
        "test_rows.test_two_bars_above_each_other_are_one_digit_if_they_are_near",
        {0.5: {"below": 6, "seen": "ddd"}},
    ),
    ("rows.WHOLE", "test_rows.test_two_digits_above_each_other_are_two", {2: {}}),
    (
        "rows.WIDE",
        "test_rows.test_a_piece_has_a_limited_length_and_height_in_digits",
        {0.5: {"width": 330, "height": 30, "seen": True}, 2: {"width": 660, "height": 30, "seen": False}},
    ),
    ("sheet.ALL_AROUND", "test_sheet.test_a_step_on_three_sides_makes_no_sheet", {0.5: {}}),
    ("rows.WORKING_HEIGHT", "test_rows.test_a_cut_finds_a_narrow_gap", {0.5: {"gap": 1}}),
    (
        "rows._fragments_and_signs: pen / 2",
        "test_rows.test_a_sign_is_what_the_pen_put_down_beside_digits",
        {0.5: {"what": "a dash a third as thick as the pen"}, 2: {"what": "a hair"}},
    ),
    ("rows._with_slashes: >= 2", "test_rows.test_what_leans_beside_one_digit_alone_is_a_1", {0.5: {}}),
    (
        "rows._usual_height: / 2",
        "test_rows.test_a_piece_has_a_limited_length_and_height_in_digits",
        {0.5: {"width": 12, "height": 400, "seen": False}},
    ),
    (
        "rows._usual_height: / 2",
        "test_rows.test_two_bars_above_each_other_are_one_digit_if_they_are_near",
        {2: {"below": 20, "seen": "ddd"}},
    ),
    (
        "rows._stacked: > 0.35",
        "test_rows.test_strokes_above_each_other_are_one_digit_and_beside_each_other_two",
        {0.5: {"right": 24, "down": 56, "number": 1}, 2: {"right": 26, "down": 36, "number": 2}},
    ),
    (
        "rows._stacked: beside, 0.8",
        "test_rows.test_strokes_above_each_other_are_one_digit_and_beside_each_other_two",
        {0.5: {"right": 26, "down": 12, "number": 2}, 2: {"right": 8, "down": 15, "number": 1}},
    ),
    (
        "rows._stacked: , 0.5)",
        "test_rows.test_strokes_above_each_other_are_one_digit_and_beside_each_other_two",
        {0.5: {"right": 45, "down": 56, "number": 2}, 2: {"right": 24, "down": 56, "number": 1}},
    ),
    (
        "rows._fragments_and_signs: - 0.35",
        "test_rows.test_a_point_under_the_arm_of_a_7_is_a_sign_and_a_broken_foot_is_not",
        {0.5: {"what": "a point that hangs"}, 2: {"what": "one as high as the middle, which is a part"}},
    ),
    (
        "rows._fragments_and_signs: 2.5 * pen",
        "test_rows.test_a_point_under_the_arm_of_a_7_is_a_sign_and_a_broken_foot_is_not",
        {
            0.5: {"what": "a point nearly twice as thick as the pen"},
            2: {"what": "what is three pens thick, and a part"},
        },
    ),
    (
        "rows._fragments_and_signs: 1.5 * tall",
        "test_rows.test_a_point_under_the_arm_of_a_7_is_a_sign_and_a_broken_foot_is_not",
        {0.5: {"what": "a point"}, 2: {"what": "a dash of the pen, and a foot"}},
    ),
    (
        "rows._fragments_and_signs: >= 0.2 * width",
        "test_rows.test_what_is_above_a_digit_belongs_to_it_if_a_part_of_it_is_there",
        {0.5: {"right": 96, "seen": ".dd"}, 2: {"right": 100, "seen": "dd"}},
    ),
    (
        "rows._with_signs: shared >= 0.5",
        "test_rows.test_the_points_of_a_colon_are_above_each_other",
        {0.5: {"right": 11, "seen": "d..d"}, 2: {"right": 6, "seen": "d.d"}},
    ),
    (
        "rows._rows: 3 * off",
        "test_rows.test_a_row_goes_on_with_what_is_near_and_level",
        {
            0.5: {"right": 110, "up": 20, "shift": 30, "below": 85},
            2: {"right": 110, "up": 57, "shift": -52, "below": 135},
        },
    ),
    (
        "rows._rows: usual / 2",
        "test_rows.test_digits_of_a_row_are_beside_each_other",
        {0.5: {"up": 95, "rows_seen": 3}, 2: {"up": 70, "rows_seen": 1}},
    ),
    (
        "sheet.ALL_AROUND",
        "test_sheet.test_in_a_picture_of_a_few_pixels_there_are_no_sheets",
        {2: {"side": 100, "is_sheet": True}},
    ),
    ("sheet.AWAY", "test_sheet.test_a_line_around_a_digit_is_not_a_sheet", {0.5: {}}),
    ("sheet.AWAY", "test_sheet.test_a_sheet_is_found_though_there_is_more_paper_near_it", {2: {}}),
    ("sheet.EDGE", "test_sheet.test_the_rim_of_a_sheet_is_cut_off", {0.5: {}}),
    (
        "sheet.EDGE",
        "test_sheet.test_the_corners_of_a_sheet_are_found",
        {2: {"inside": 230, "outside": 210, "corners": [(120, 50), (300, 70), (280, 250), (100, 230)]}},
    ),
    (
        "sheet.LEAST_SIDE",
        "test_sheet.test_in_a_picture_of_a_few_pixels_there_are_no_sheets",
        {0.5: {"side": 60, "is_sheet": False}, 2: {"side": 100, "is_sheet": True}},
    ),
    (
        "sheet.LEAST_STEP",
        "test_sheet.test_a_clear_step_in_level_makes_a_sheet_and_a_small_one_does_not",
        {0.5: {"step": 6}, 2: {"step": 12}},
    ),
    (
        "sheet.LARGEST",
        "test_sheet.test_a_page_on_a_desk_gives_the_box_of_the_page_alone",
        {0.5: {"desk": 40, "share": 0.92}},
    ),
    ("sheet.LEVELS", "test_sheet.test_a_small_patch_is_not_a_sheet", {0.5: {}}),
    ("sheet.MOST_SHEETS", "test_sheet.test_the_four_sharpest_of_many_sheets_are_looked_at", {0.5: {}, 2: {}}),
    (
        "sheet.ROUND",
        "test_sheet.test_a_round_thing_is_even",
        {0.5: {"dent": 40, "is_sheet": False}, 2: {"dent": 0, "is_sheet": True}},
    ),
    ("sheet.SHARP", "test_sheet.test_light_that_fades_towards_the_corners_makes_no_sheet", {0.5: {}}),
    ("sheet.SHARP", "test_sheet.test_a_sheet_may_be_out_of_focus", {2: {}}),
    ("sheet.SIDE", "test_sheet.test_a_step_on_three_sides_makes_no_sheet", {0.5: {}}),
    ("sheet.SIDE", "test_sheet.test_a_line_around_a_digit_is_not_a_sheet", {2: {}}),
    ("sheet.SMALLEST", "test_sheet.test_a_small_patch_is_not_a_sheet", {0.5: {}, 2: {}}),
    (
        "sheet.SOLID",
        "test_sheet.test_a_sheet_may_have_a_dent_but_is_not_a_horseshoe",
        {0.5: {"deep": 160, "is_sheet": False}},
    ),
    (
        "sheet.SOLID",
        "test_sheet.test_in_a_picture_of_a_few_pixels_there_are_no_sheets",
        {2: {"side": 100, "is_sheet": True}},
    ),
    (
        "sheet.SQUARE",
        "test_sheet.test_sides_at_right_angles_say_how_a_sheet_that_is_cut_off_lies",
        {0.5: {"lean": 20, "turn": 0}, 2: {"lean": 0, "turn": 20}},
    ),
    ("sheet.STRAIGHT", "test_sheet.test_a_sheet_may_have_a_bent_corner", {0.5: {}}),
    (
        "sheet.TOUCH",
        "test_sheet.test_a_sheet_is_cut_off_where_enough_of_its_outline_is_the_border",
        {0.5: {"share": 0.03, "is_open": False}, 2: {"share": 0.06, "is_open": True}},
    ),
    (
        "sheet.WORKING_SIDE",
        "test_sheet.test_a_large_page_is_reduced_to_1200_pixels_and_keeps_its_detail",
        {0.5: {}, 2: {}},
    ),
    (
        "sheet.STRAIGHT",
        "test_sheet.test_a_round_thing_that_is_cut_off_is_no_sheet_and_one_with_round_corners_is",
        {2: {}},
    ),
    (
        "sheet._corners: >= 4",
        "test_sheet.test_a_sheet_that_shows_little_but_borders_is_none",
        {0.5: {"leg": 140, "is_sheet": False}},
    ),
    (
        "sheet._corners: >= 4",
        "test_sheet.test_a_round_thing_that_is_cut_off_is_no_sheet_and_one_with_round_corners_is",
        {2: {}},
    ),
    (
        "sheet._corners: else 4",
        "test_sheet.test_a_round_thing_that_is_cut_off_is_no_sheet_and_one_with_round_corners_is",
        {0.5: {}, 2: {}},
    ),
    (
        "sheet._step: < 0.2",
        "test_sheet.test_a_sheet_that_shows_little_but_borders_is_none",
        {0.5: {"leg": 140, "is_sheet": False}, 2: {"leg": 200, "is_sheet": True}},
    ),
    (
        "sheet._is_same: <= 0.08",
        "test_sheet.test_a_screen_and_a_broad_rim_are_two_outlines",
        {0.5: {"rim": 6, "number": 1}, 2: {"rim": 11, "number": 2}},
    ),
    (
        "sheet._own_sides: 0.02",
        "test_sheet.test_a_side_near_the_border_is_not_of_the_sheet",
        {0.5: {"left": 6, "own": 1}, 2: {"left": 12, "own": 2}},
    ),
    (
        "sheet._with_paper_around: // 4",
        "test_sheet.test_the_light_on_a_round_thing_goes_on_around_it",
        {0.5: {}, 2: {}},
    ),
    (
        "sheet._is_open: corners <= 2",
        "test_sheet.test_a_side_within_two_pixels_of_the_border_is_the_border",
        {0.5: {"top": 2, "bottom": 2, "is_open": True}, 2: {"top": 4, "bottom": 2, "is_open": False}},
    ),
    (
        "sheet._is_open: corners >= last - 2",
        "test_sheet.test_a_side_within_two_pixels_of_the_border_is_the_border",
        {0.5: {"top": 2, "bottom": 2, "is_open": True}, 2: {"top": 4, "bottom": 2, "is_open": False}},
    ),
    ("sheet._step: (-3", "test_sheet.test_a_sheet_may_be_out_of_focus", {0.5: {}}),
    (
        "sheet._step: abs(step) / 3",
        "test_sheet.test_the_step_at_one_side_of_a_sheet_may_be_smaller_but_is_there",
        {0.5: {"level": 170, "is_sheet": True}, 2: {"level": 195, "is_sheet": False}},
    ),
    (
        "single.ANOTHER",
        "test_digits.test_a_mark_half_as_long_beside_a_digit_is_another_digit",
        {0.5: {"length": 50, "is_digit": False}, 2: {"length": 70, "is_digit": True}},
    ),
    ("single.DUST", "test_digits.test_fragments_are_near_and_large_enough", {0.5: {}}),
    ("single.DUST", "test_digits.test_what_is_thicker_than_the_digit_is_no_fragment_of_it", {2: {}}),
    (
        "single.FAR",
        "test_digits.test_a_large_fragment_may_lie_farther_below",
        {0.5: {"distance": 50, "size": 40, "bottom": 250}, 2: {"distance": 90, "size": 40, "bottom": 160}},
    ),
    (
        "single.LEAST_SIDE",
        "test_sheet.test_a_sheet_is_looked_at_for_a_digit_of_a_tenth_of_its_side",
        {0.5: {"length": 12, "is_sheet": False}, 2: {"length": 26, "is_sheet": True}},
    ),
    ("single.FAINTER", "test_rows.test_writing_is_found_in_a_printed_table_that_is_far_darker", {0.5: {"level": 138}}),
    ("single.FAINTER", "test_rows.test_print_as_dark_as_the_writing_changes_nothing_about_the_ink", {2: {}}),
    (
        "single.MOST_PIECES",
        "test_digits.test_a_broken_digit_has_a_limited_number_of_pieces",
        {0.5: {"crumbs": 8, "is_digit": True}, 2: {"crumbs": 20, "is_digit": False}},
    ),
    ("single.NEAR", "test_digits.test_fragments_are_near_and_large_enough", {0.5: {}}),
    (
        "single.NEAR",
        "test_digits.test_a_mark_half_as_long_beside_a_digit_is_another_digit",
        {2: {"length": 70, "is_digit": True}},
    ),
    (
        "single.THICKER",
        "test_digits.test_a_large_fragment_may_lie_farther_below",
        {0.5: {"distance": 50, "size": 40, "bottom": 250}},
    ),
    ("single.THICKER", "test_digits.test_what_is_thicker_than_the_digit_is_no_fragment_of_it", {2: {}}),
    (
        "single.drawn: min(0.1",
        "test_digits.test_a_smear_fainter_than_a_tenth_of_the_ink_is_no_part_of_a_digit",
        {0.5: {"level": 0.08, "height": 20}, 2: {"level": 0.15, "height": 10}},
    ),
    (
        "single.find_one: 5 * MOST_PIECES",
        "test_digits.test_splitting_is_advised_for_as_many_marks_as_people_write",
        {
            0.5: {"number": 40, "advice": "40 possible digits found; use --split"},
            2: {"number": 90, "advice": "no single digit"},
        },
    ),
    (
        "single._joined: longest // 2",
        "test_digits.test_a_digit_of_dots_is_read_as_strokes_if_the_gaps_are_shorter_than_the_dots",
        {0.5: {"gap": 20, "is_digit": False}, 2: {"gap": 9, "is_digit": True}},
    ),
    (
        "single._one: np.exp(-3",
        "test_digits.test_the_digit_is_large_and_near_the_middle",
        {
            0.5: {"one": (145, 110, 157, 190), "other": (0, 15, 14, 285)},
            2: {"one": (40, 10, 52, 130), "other": (144, 125, 156, 175)},
        },
    ),
    (
        "single._one: marks.is_flat(), 0.5",
        "test_digits.test_the_digit_is_large_and_near_the_middle",
        {
            0.5: {"one": (0, 70, 14, 230), "other": (170, 130, 182, 170)},
            2: {"one": (145, 110, 157, 190), "other": (0, 15, 14, 285)},
        },
    ),
    (
        "single._content: min(mask.shape)) + 2",
        "test_sheet.test_what_is_for_the_most_part_at_the_edge_of_a_round_thing_is_not_ink_on_it",
        {2: {"x": 308, "y": 150, "is_ink": True}},
    ),
    (
        "single._content: 2 * marks.on",
        "test_sheet.test_what_is_for_the_most_part_at_the_edge_of_a_round_thing_is_not_ink_on_it",
        {0.5: {"x": 312, "y": 150, "is_ink": False}, 2: {"x": 308, "y": 150, "is_ink": True}},
    ),
    (
        "single._digit_on_sheet: (1",
        "test_sheet.test_what_goes_from_one_end_of_a_sheet_to_the_other_is_no_digit_on_it",
        {0.5: {"inset": 12, "is_sheet": True}, 2: {"inset": 8, "is_sheet": False}},
    ),
    (
        "single._digit_on_sheet: rim(sheet.inside, 1",
        "test_sheet.test_a_digit_across_the_edge_of_a_shadow_is_not_read_on_one_side",
        {0.5: {}},
    ),
    (
        "single._on_one_sheet: 0.1 * side",
        "test_sheet.test_digits_near_the_edge_of_a_shadow_or_across_it_are_not_lost",
        {0.5: {"far": -20}},
    ),
    (
        "single._on_one_sheet: 0.1 * side",
        "test_sheet.test_all_that_is_written_in_a_grid_of_thick_and_thin_lines_is_found",
        {2: {"cells": 9, "size": 44, "thin": 60, "written": 150, "digit": ONE}},
    ),
    (
        "single._one: 0.3 * largest",
        "test_digits.test_a_large_fragment_may_lie_farther_below",
        {0.5: {"distance": 50, "size": 24, "bottom": 160}, 2: {"distance": 50, "size": 40, "bottom": 250}},
    ),
    (
        "single._look: range(2",
        "test_sheet.test_all_that_is_written_in_a_grid_of_thick_and_thin_lines_is_found",
        {0.5: {"cells": 6, "size": 60, "thin": 150, "written": 205, "digit": SEVEN}},
    ),
    (
        "single._without_edge: 0.5 * marks.area",
        "test_sheet.test_what_lies_for_the_most_part_on_a_blank_sheet_is_its_edge",
        {0.5: {"beyond": 34, "is_edge": False}, 2: {"beyond": 8, "is_edge": True}},
    ),
    (
        "single._without_edge: 0.7 * np",
        "test_sheet.test_the_light_on_a_blank_sheet_is_no_digit",
        {0.5: {}},
    ),
    ("single._without_edge: 0.7 * np", "test_sheet.test_a_digit_is_no_blank_sheet", {2: {"shape": "bar"}}),
    ("strokes.THICK", "test_strokes.test_strokes_of_the_right_width_are_unchanged", {0.5: {"units": 2.7}}),
    ("strokes.THICK", "test_strokes.test_thick_strokes_are_thinned_to_the_target", {2: {"units": 6}}),
    ("strokes.THIN", "test_strokes.test_thin_strokes_are_thickened_to_the_target", {0.5: {"side": 60, "units": 2.0}}),
    ("strokes.THIN", "test_strokes.test_strokes_of_the_right_width_are_unchanged", {2: {"units": 2.7}}),
    (
        "strokes.THINNED",
        "test_strokes.test_thick_strokes_are_thinned_to_the_target",
        {0.5: {"units": 6}, 2: {"units": 6}},
    ),
    (
        "strokes.weigh: int(0.8",
        "test_strokes.test_the_width_of_a_blurred_stroke_is_where_its_ink_is_half_as_strong",
        {0.5: {"units": 2.0, "done": "strokes thickened"}},
    ),
    ("turns.DEGREES", "test_turns.test_a_digit_that_is_tilted_or_lies_on_its_side_is_turned_back", {0.5: {}, 2: {}}),
]


@planted(PLANTED)
def test_a_changed_threshold_turns_its_test_red(threshold, factor, test, arguments, monkeypatch):
    assert_red(f"images.{threshold}", factor, f"images.{test}", arguments, monkeypatch)
