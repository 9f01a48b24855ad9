# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel in every state, drawn through a real layout of real Blenders without a complaint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.blender_ui.host import VERSIONS, run_in_blender

pytestmark = pytest.mark.blender

_MAIN = "CLOUDRENDER_PT_view3d"
_PHASES = ("pending", "packing", "provisioning", "booting", "uploading", "rendering", "recovering", "cleaning up")


@pytest.fixture(scope="module", params=VERSIONS)
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return state → panel → what was drawn; a complaint of Blender's has failed the test already."""
    return run_in_blender(request.param, tmp_path_factory.mktemp("home"), "draw_panels.py")


def items(layout: Any) -> Iterator[dict[str, Any]]:
    """Yield what a layout holds, from the top."""
    for item in layout:
        if "items" in item:
            yield from items(item["items"])
        else:
            yield item


def said(layout: Any) -> list[str]:
    return [item["draw_string"] for item in items(layout) if item["draw_string"]]


def buttons(layout: Any) -> list[str]:
    return [item["operator"].removeprefix("bpy.ops.") for item in items(layout) if item.get("operator")]


def height(item: dict[str, Any]) -> int:
    """Return how many rows high an item is: columns add up, of what stands side by side the highest counts."""
    if "items" not in item:
        return 1
    heights = [height(part) for part in item["items"]]
    beside = item["type"] in ("LAYOUT_ROW", "LAYOUT_SPLIT")
    return max(heights, default=0) if beside else sum(heights)


def test_the_main_row_changes_its_role(drawn: Any) -> None:
    idle, running, done = (drawn[state][_MAIN] for state in ("idle", "half done", "success"))
    assert "cloudrender.render(animation=False)" in buttons(idle) and "Render Animation" in said(idle)
    assert "Rendering 12/24" in said(running) and 'cloudrender.cancel(job_id="j3")' in buttons(running)
    assert "Done: 24 frames, $0.12" in said(done) and 'cloudrender.show_result(job_id="j3")' in buttons(done)
    assert not any("cloudrender.render" in button for button in buttons(running) + buttons(done))
    assert "cloudrender.dismiss()" in buttons(done) and "cloudrender.dismiss()" not in buttons(running)


def test_a_machine_that_is_kept_can_be_looked_at_or_ended(drawn: Any) -> None:
    kept, partial = (buttons(drawn[state][_MAIN]) for state in ("kept", "partial"))
    assert {"cloudrender.copy_login()", 'cloudrender.cancel(job_id="j3")'} <= {*kept}
    assert "cloudrender.copy_login()" not in partial
    resume = 'cloudrender.resume(job_id="j3")'
    assert resume in partial and resume in kept


@pytest.mark.parametrize(
    "state",
    [
        "offline",
        "not set up",
        "no quotes",
        "unusable frames",
        *_PHASES,
        "half done",
        "canceling",
        "success",
        "canceled",
    ],
)
def test_the_panel_does_not_jump(drawn: Any, state: str) -> None:
    for panel in (_MAIN, f"{_MAIN}_cost"):
        heights = [sum(map(height, drawn[name][panel])) for name in (state, "idle")]
        assert heights[0] == heights[1], said(drawn[state][panel])


def test_time_and_money_are_told_while_it_runs(drawn: Any) -> None:
    words = said(drawn["half done"][_MAIN])
    assert {"Elapsed 10:00", "Left 4:00", "Cost $0.02", "In all $0.03"} <= set(words)
    assert said(drawn["half done"][f"{_MAIN}_cost"])[:2] == ["So Far", "$0.02"]
    assert said(drawn["pending"][_MAIN]).count("Left –") == 1


def test_at_the_end_the_cost_of_a_frame_is_told(drawn: Any) -> None:
    assert said(drawn["success"][f"{_MAIN}_cost"])[:4] == ["In All", "$0.12", "A Frame", "$0.005"]


def test_what_large_frames_add_is_told_while_they_come(drawn: Any) -> None:
    assert "$0.03, + up to $2.16 data" in said(drawn["half done with large frames"][f"{_MAIN}_cost"])


@pytest.mark.parametrize("state", ["partial", "failure", "not cleaned up"])
def test_a_failure_says_why_and_what_to_do(drawn: Any, state: str) -> None:
    words, can = " ".join(said(drawn[state][_MAIN])), buttons(drawn[state][_MAIN])
    assert "Render that frame on this computer" in words or "It is tried again" in words
    assert 'cloudrender.resume(job_id="j3")' in can and 'cloudrender.open_log(job_id="j3")' in can
    assert ('cloudrender.show_result(job_id="j3")' in can) == (state != "failure")


@pytest.mark.parametrize(("state", "button"), [("offline", "userpref_show"), ("not set up", "addon_show")])
def test_what_is_in_the_way_has_a_button(drawn: Any, state: str, button: str) -> None:
    assert any(button in found for found in buttons(drawn[state][_MAIN])[1:])


def test_the_machine_is_described(drawn: Any) -> None:
    words = said(drawn["idle"][f"{_MAIN}_machine"])
    assert {"g4dn.xlarge", "NVIDIA T4, 16 GB", "4 vCPUs, 16 GB", "$0.230/h", "$0.546/h"} <= set(words)
    assert "Get Prices" in said(drawn["no quotes"][f"{_MAIN}_machine"])
    assert "Not in the list" in said(drawn["a machine of the user's own choice"][f"{_MAIN}_machine"])


def test_the_frames_are_counted(drawn: Any) -> None:
    panel = f"{_MAIN}_frames"
    assert "24 frames" in said(drawn["idle"][panel])
    assert "62 frames" in said(drawn["custom frames"][panel])
    assert '"10-1" ends before it begins' in said(drawn["unusable frames"][panel])


def test_an_estimate_goes_by_the_last_render_of_the_file(drawn: Any) -> None:
    # 180 s for the machine and 20 s a frame, at $0.23 an hour
    assert said(drawn["rendered before"][f"{_MAIN}_cost"])[:4] == [
        "Image",
        "$0.01, 3 min",
        "Animation",
        "$0.04, 11 min",
    ]
    assert "About $0.04 in 11 min" in said(drawn["rendered before"][_MAIN])
    assert "After a first render" in said(drawn["idle"][f"{_MAIN}_cost"])


def test_the_list_of_jobs(drawn: Any) -> None:
    words = said(drawn["job j2 chosen"][f"{_MAIN}_jobs"])
    assert words[:8] == ["robot", "24/24", "$0.12", "2 h", "robot", "12/24", "$0.12", "2 h"]
    assert "Failed: Blender crashed on frame 13" in words
    assert 'cloudrender.resume(job_id="j2")' in buttons(drawn["job j2 chosen"][f"{_MAIN}_jobs"])
    assert "Damaged: The record is damaged" in said(drawn["job j6 chosen"][f"{_MAIN}_jobs"])
    assert "No jobs yet" in said(drawn["no jobs"][f"{_MAIN}_jobs"])
    assert "12/24" in said(drawn["half done"][f"{_MAIN}_jobs"])


def test_the_timing_of_a_job_that_has_ended(drawn: Any) -> None:
    panel = f"{_MAIN}_timing"
    words = said(drawn["job j1 chosen"][panel])
    assert words[:7] == ["g4dn.xlarge", "AWS's image", "At", "Took", "Launch", "0.0 s", "–"]
    assert words[words.index("Blender") :][:3] == ["Blender", "61.0 s", "33.0 s"]
    assert "An image of your own would have saved 35 s" in " ".join(words) and "Build Image" in " ".join(words)
    words = said(drawn["job j2 chosen"][panel])
    assert "Your image ami-0123456789abcdef0" in words and "would have saved" not in " ".join(words)
    kept = words[words.index("Kept before: no launch, no boot") + 1 :]
    assert kept[:8] == ["At", "Took", "Taken Over", "0.0 s", "–", "Agent", "0.4 s", "0.4 s"]
    assert said(drawn["job j6 chosen"][panel]) == ["No machine yet"]
    assert said(drawn["no jobs"][panel]) == ["No jobs yet"]


def test_the_timing_of_a_job_that_starts_up_goes_on(drawn: Any) -> None:
    words = said(drawn["starting up"][f"{_MAIN}_timing"])
    lost, now = words[: words.index("g4dn.xlarge", 1)], words[words.index("g4dn.xlarge", 1) :]
    assert lost[-3:] == ["Running", "12.0 s", "12.0 s"], "nothing more comes of it"
    assert now[now.index("First Sample") + 1] == "300 s…"


def test_what_is_missing_can_be_found_or_done_without(drawn: Any) -> None:
    words, can = said(drawn["files missing"][_MAIN]), buttons(drawn["files missing"][_MAIN])
    assert "Not Started: 1 file is missing" in words and "image Wood (/p/tex/wood.png)" in words
    assert 'cloudrender.render_anyway(job_id="j3")' in can and "file.find_missing_files()" in can
    assert 'cloudrender.resume(job_id="j3")' not in can
    assert "Looking for the files it uses" in said(drawn["looking for files"][_MAIN])


def test_the_check_of_the_snapshot(drawn: Any) -> None:
    panel = f"{_MAIN}_files"
    assert "cloudrender.check_snapshot()" in buttons(drawn["idle"][panel])
    under_way = drawn["checking the snapshot"][panel]
    assert "Rendering a small frame of the open file…" in said(under_way)
    assert buttons(under_way) == ["cloudrender.cancel_check()"]
    states = {name: drawn[f"snapshot {name}"][panel] for name in ("identical", "different", "not checked")}
    assert "Identical: robot.blend" in said(states["identical"])
    pictures = ["OPEN_FILE", "BUNDLE", "DIFFERENCE"]
    shown = [f"cloudrender.show_check(picture='{picture}')" for picture in pictures]
    assert [button for button in buttons(states["different"]) if "show_check" in button] == shown
    assert [button for button in buttons(states["identical"]) if "show_check" in button] == shown[:2]
    words = " ".join(said(states["different"]))
    assert "Different: robot.blend 12 % of the pixels of frame 7" in words
    assert "Missing: image Wood (/p/wood.png)" in words
    assert "Cloth is not baked" in words
    assert {"Leads Outside: robot.blend", "Outside: /tex/wood.png"} <= {*said(drawn["snapshot reaches out"][panel])}
    assert "No Picture" in said(drawn["snapshot without picture"][panel])
    assert "It is tried again at the next start" in " ".join(said(states["not checked"]))


def test_the_output_properties_have_the_same_panel(drawn: Any) -> None:
    for state, panels in drawn.items():
        for name, layout in panels.items():
            if name.startswith(_MAIN):
                assert said(panels[name.replace("view3d", "output")]) == said(layout), state


def test_menu_and_status_bar(drawn: Any) -> None:
    assert said(drawn["idle"]["menus"]) == ["Render Image in Cloud", "Render Animation in Cloud"]
    assert not said(drawn["idle"]["statusbar"]) and not said(drawn["success"]["statusbar"])
    assert said(drawn["half done"]["statusbar"]) == ["Cloud: Rendering 12/24, 4:00 left, $0.02"]
    assert buttons(drawn["half done"]["statusbar"]) == ['cloudrender.cancel(job_id="j3")']


def test_the_preferences(drawn: Any) -> None:
    begin, later = said(drawn["checking"]["preferences"]), said(drawn["idle"]["preferences"])
    assert "How to Begin" in begin and "How to Begin" not in later
    assert "Checking…" in begin and "Check Setup" in later
    assert {"Found ok", "Found failed", "Do this"} <= set(begin)
    assert "cloudrender.request_quota()" in buttons(drawn["checking"]["preferences"])
    held = {item["rna"] for item in items(drawn["idle"]["preferences"]) if item.get("rna")}
    assert not [name for name in held if "secret" in name or "key" in name]


def test_machine_images(drawn: Any) -> None:
    idle, empty, listed = (drawn[state]["preferences"] for state in ("idle", "no images", "images"))
    assert {"Machine Images", "Build Image…", "List Images"} <= set(said(idle)) and "Refresh List" not in said(idle)
    assert "No image of your own yet: jobs begin with Amazon's" in said(empty)
    words = said(listed)
    assert "For graphics GPUs, Blender 4.2.23, NVIDIA 580.95.05" in words
    assert "ami-2, us-east-1, 2 h old, at most $1.55 a month" in words
    assert "ami-1, us-east-1, 200 d old, at most $4.35 a month" in words
    assert words.count("Not encrypted, shared with 123456789012") == 1
    standing = ["it cannot be used", "Not finished", "Jobs on such machines begin with it", "A newer one has taken"]
    told = [next(part for part in standing if part in text) for text in words if any(part in text for part in standing)]
    assert told == ["Not finished", "Jobs on such machines begin with it", "A newer one has taken"]
    assert "Failed: Client.InternalError" in words, "newest first, so this one is on top"
    for action in ("test", "copy", "delete"):
        assert f'cloudrender.{action}_image(image_id="ami-2")' in buttons(listed)


def test_what_is_done_for_an_image_is_seen_in_the_preferences_and_the_status_bar(drawn: Any) -> None:
    running, canceled = drawn["image under way"], drawn["image canceled"]
    assert "Image Build, 5:00: Preparing Blender (1:00)" in said(running["preferences"])
    assert "cloudrender.build_image()" not in buttons(running["preferences"])
    assert said(running["statusbar"]) == ["Image Build: Preparing Blender, 5:00"]
    assert buttons(running["statusbar"]) == ["cloudrender.cancel_image()"] == buttons(canceled["statusbar"])
    assert said(canceled["statusbar"]) == ["Image Build: Undoing what was done, 5:00"]
    assert "Image Build, 5:00: Undoing what was done (1:00)" in said(canceled["preferences"])


def test_the_end_of_a_build_offers_what_it_has_replaced(drawn: Any) -> None:
    built, failed = (drawn[f"image {state}"]["preferences"] for state in ("built", "not built"))
    words = said(built)
    assert "Image Ready" in words and "ami-2 in us-east-1 cost $0.12" in words
    assert words.count("It has taken the place of ami-1: at most $4.35 a month") == 1
    assert said(failed)[said(failed).index("Image Build Failed") :][:5] == [
        *("Image Build Failed", "NVML: mismatch", "Try again", "a", "b")
    ]
    assert not [text for text in said(failed) if "taken the place" in text]
