# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of frames as a user types it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudrender_addon.backend.errors import UsageError
from cloudrender_addon.backend.job.frames import format_frames, parse_frames


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", (7,)),
        ("1-3", (1, 2, 3)),
        ("1-3,60,70-75x2", (1, 2, 3, 60, 70, 72, 74)),
        (" 1 - 3 , 5 ,", (1, 2, 3, 5)),
        ("-3--1, 0", (-3, -2, -1, 0)),
        ("-2-1x3", (-2, 1)),
        ("5-5", (5,)),
        ("10, 8-11, 10", (10, 8, 9, 11)),  # the order is the user's, each frame once
        ("1-10X 4", (1, 5, 9)),
    ],
)
def test_what_is_typed_is_what_is_rendered(text: str, frames: tuple[int, ...]) -> None:
    assert parse_frames(text) == frames


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "No frames"),
        (" , ", "No frames"),
        ("10-1", "ends before it begins"),
        ("1-9x0", "step of 0"),
        ("one", '"one"'),
        ("1 2", '"1 2"'),
        ("1-", '"1-"'),
        ("5x2", '"5x2"'),
        ("1.5", '"1.5"'),
        ("١", "is not a frame"),
        ("1048575", "no frame 1048575"),
        ("1-200000", "more than 100,000"),
        ("1-90000, 100001-190000", "More than 100,000"),
        ("1" * 5000, "is not a frame"),
    ],
)
def test_what_makes_no_sense_is_an_error_with_a_way_out(text: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause) as caught:
        parse_frames(text)
    assert caught.value.hint


@given(st.sets(st.integers(-2000, 2000), min_size=1))
def test_it_reads_what_format_frames_writes(frames: set[int]) -> None:
    assert parse_frames(format_frames(frames)) == tuple(sorted(frames))
