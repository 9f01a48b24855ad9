# SPDX-License-Identifier: GPL-3.0-or-later
"""The short list of promises that is checked against the stand-in cloud and against a real account alike.

Each check runs the real command in a project's folder and raises AssertionError with what it saw.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.cloud.command import Project, contrast, wait_for

SMALL = "t3.medium"
"""A type without GPU that every account may start; about $0.02 an hour as spot."""


def render_one_frame(project: Project) -> None:
    result = project.start("-f", 2, "-c", SMALL).wait(seconds=900)
    assert result.code == 0, result.err
    assert contrast(project.pictures()["0002.png"]) > 5, "the frame is empty"
    assert "Left running: nothing" in result.err, result.err


def refuse_a_wrong_image(project: Project) -> None:
    result = project.run("-f", 1, "-c", SMALL, "--image", "ami-00000000000000000")
    assert result.code == 1 and "ami-00000000000000000" in result.err, result.err


def end_the_machine_on_ctrl_c(project: Project) -> None:
    running = project.start("-a", "-c", SMALL)
    wait_for(lambda: "is starting" in running.said(), "the launch")
    running.interrupt()
    result = running.wait(seconds=600)
    assert result.code == 130 and "Left running: nothing" in result.err, result.err


def leave_nothing(project: Project) -> None:
    result = project.run("clean-up")
    assert result.code == 0 and "Nothing of cloudrender is left" in result.err, result.err


CHECKS: tuple[Callable[[Project], None], ...] = (
    refuse_a_wrong_image,
    render_one_frame,
    end_the_machine_on_ctrl_c,
    leave_nothing,
)
