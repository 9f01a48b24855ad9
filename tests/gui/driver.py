# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user does with Blender: look, point, click, type. Coordinates are pixels of the screen, from the top left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.gui.blender_window import BlenderWindow
from tests.gui.display import Display

ARTEFACTS = Path(__file__).with_name("artefacts")
_PLACES = Path(__file__).with_name("places.py")
_ROUND_TRIPS = 6  # Blender handles what the mouse did, then redraws, then handles what the redrawn thing wants
_STEP = 9  # pixels between tries to find a button; less than half a button is high


class Driver:
    """A hand on the mouse, one on the keyboard, and an eye on the window."""

    def __init__(self, display: Display, blender: BlenderWindow) -> None:
        self.blender = blender
        self._display = display

    def evaluate(self, source: str) -> Any:
        """Execute the source in Blender and return the value of its last expression. Raises PuppetError."""
        return self.blender.evaluate(source)

    def wait_until(self, expression: str, seconds: float = 20.0) -> Any:
        """Return the expression's value in Blender as soon as it is true. Raises AssertionError after `seconds`."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {expression} (is {value!r})\n{self.blender.log[-2000:]}")
            time.sleep(0.05)
        return value

    def settle(self) -> None:
        """Let Blender handle what the mouse and keyboard did, and redraw."""
        for _ in range(_ROUND_TRIPS):
            self.evaluate("None")

    def move(self, x: int, y: int) -> None:
        """Move the mouse there; by way of a neighbour, as Blender takes notice of movements only."""
        self._display.run("xdotool", "mousemove", str(x + 3), str(y + 2), "mousemove", str(x), str(y))
        self.settle()

    def click(self, x: int, y: int, *, button: int = 1) -> None:
        """Click there. Button 1 is the left one, 3 the right one."""
        self.move(x, y)
        self._display.run("xdotool", "click", str(button))
        self.settle()

    def key(self, *names: str) -> None:
        """Press keys one after the other: "Escape", "Return", "ctrl+q", "F3"; they go to what is under the mouse."""
        for name in names:
            self._display.run("xdotool", "key", name)
            self.settle()

    def type(self, text: str) -> None:
        """Type a text into what is open for it."""
        self._display.run("xdotool", "type", "--delay", "20", text)
        self.settle()

    def search(self, label: str) -> None:
        """Start the first operator that F3 finds for this text, the mouse being over the 3D view."""
        self.move(*self.where("VIEW_3D"))
        self.key("F3")
        self.type(label)
        self.key("Return")

    def where(self, area: str, region: str = "WINDOW", *, across: float = 0.5, down: float = 0.5) -> tuple[int, int]:
        """Return a point of a region: (0, 0) is its top left corner, (1, 1) the bottom right one."""
        x, y = self._places(f"place({area!r}, {region!r}, {across}, {down})")
        return x, y

    def find_button(
        self,
        target: str,
        area: str,
        region: str = "WINDOW",
        *,
        across: float = 0.5,
        down: float = 0.0,
        words: str = "",
    ) -> tuple[int, int]:
        """Return where the button for this operator ("render.render") or property ("filepath") is.

        The mouse goes down the region, from where `down` says (0 to 1), until Blender says that such a button is under
        it; `words` must be among the operator's arguments, such as "animation=True". Raises AssertionError.
        """
        left, top, right, bottom = self._places(f"rectangle({area!r}, {region!r})")
        x, seen = round(left + across * (right - left)), []
        for y in range(top + round(down * (bottom - top)) + _STEP, bottom, _STEP):
            self.move(x, y)
            found = self._places(f"under_mouse({area!r}, {region!r})")
            if found and found.partition("(")[0] == target and words in found:
                return x, y
            seen.append(found)
        raise AssertionError(f"no button for {target}, but for {sorted({name for name in seen if name})}")

    def open_tab(self, name: str, area: str = "VIEW_3D") -> None:
        """Open the sidebar of an area with this tab on top. Raises AssertionError if there is no such tab."""
        self._places("None")
        self.wait_until(f"show_tab({area!r}, {name!r})")
        self.settle()

    def move_windows_aside(self, x: int, y: int) -> None:
        """Move every window but the first there, and give that one the keyboard: no window manager does."""
        found = self._display.run("xdotool", "search", "--onlyvisible", "--class", "blender").split()
        first = self.evaluate("bpy.context.window_manager.windows[0].width")
        for window in found:
            geometry = self._display.run("xdotool", "getwindowgeometry", "--shell", window)
            main = f"WIDTH={first}\n" in geometry
            self._display.run("xdotool", *(["windowfocus", window] if main else ["windowmove", window, str(x), str(y)]))
        self.settle()

    def screenshot(self, name: str) -> Path:
        """Keep a picture of the screen as tests/gui/artefacts/NAME.png."""
        self.settle()
        ARTEFACTS.mkdir(exist_ok=True)
        path = ARTEFACTS / f"{name}.png"
        self._display.run("import", "-window", "root", str(path))
        return path

    def _places(self, expression: str) -> Any:
        return self.evaluate(f"{_PLACES.read_text()}\n{expression}")
