# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender says while it renders, as heard in 4.2.23, 4.5.15 and 5.0.1; tests/blender hears it in real ones."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

CYCLES_4 = (
    "Fra:1 Mem:9.62M (Peak 9.62M) | Time:00:00.13 | Mem:0.39M, Peak:0.39M | Scene, ViewLayer | Updating Device",
    "Fra:1 Mem:11.29M (Peak 11.29M) | Time:00:00.16 | Mem:0.39M, Peak:0.39M | Scene, ViewLayer | Sample 0/4",
    "Fra:1 Mem:11.29M (Peak 11.29M) | Time:00:00.23 | Mem:0.39M, Peak:0.39M | Scene, ViewLayer | Sample 1/4",
    "Time: 00:00.33 (Saving: 00:00.09)",
)
CYCLES_5 = (
    "Mem: 2M | Loading denoising kernels (may take a few minutes the first time)",
    "Mem: 2M | Sample 0/4",
    "Remaining: 00:00.00 | Mem: 2M | Sample 1/4",
    "Mem: 2M | Finished",
)
EEVEE_4 = ("", "", "Fra:1 Mem:41.46M (Peak 41.46M) | Time:00:07.10 | Rendering 1 / 4 samples", "Time: 00:08.57")
EEVEE_5 = ("", "", "Rendering 1 / 4 samples", "Rendering 4 / 4 samples")


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[Any]]:
    """Return what lets `tell` be called, and returns Blender's list of handlers."""
    handlers: list[Any] = []
    blender = SimpleNamespace(app=SimpleNamespace(handlers=SimpleNamespace(render_stats=handlers)))
    monkeypatch.setitem(sys.modules, "bpy", blender)  # type: ignore[arg-type]
    name = "cloudrender_addon.instance.first_sample"
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    monkeypatch.delitem(sys.modules, name)

    def start(tell: Callable[[], object]) -> list[Any]:
        module.tell_first_sample(tell)
        return handlers

    return start


@pytest.mark.parametrize("said", [CYCLES_4, CYCLES_5, EEVEE_4, EEVEE_5])
def test_it_is_heard_once_and_not_before_a_sample_is_done(
    said: tuple[str, ...], listen: Callable[[Callable[[], object]], list[Any]]
) -> None:
    heard: list[str] = []
    handlers = listen(lambda: heard.append("sample"))
    for text in said * 2:
        heard.append(text)
        for handler in list(handlers):
            handler(text)
    assert heard == [*said[:3], "sample", *(said * 2)[3:]] and handlers == []


def test_it_is_heard_once_though_blender_goes_on_with_a_copy_of_the_list(
    listen: Callable[[Callable[[], object]], list[Any]],
) -> None:
    heard: list[str] = []
    [handler] = listen(lambda: heard.append("sample"))
    handler("Mem: 2M | Sample 1/4")
    handler("Mem: 2M | Sample 2/4")
    assert heard == ["sample"]


def test_where_nothing_is_counted_nothing_is_heard(listen: Callable[[Callable[[], object]], list[Any]]) -> None:
    heard: list[str] = []
    [handler] = listen(lambda: heard.append("sample"))
    for text in ("Time: 00:00.61 (Saving: 00:00.08)", None, "Sample 0/1", "Rendering 0 / 4 samples", "Subsample 3/4"):
        handler(text)
    assert heard == []
