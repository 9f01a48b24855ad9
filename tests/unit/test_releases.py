# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether there is such a Blender: only a clear no of the mirror is one."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from cloudrender_addon.backend.errors import UsageError
from cloudrender_addon.backend.releases import check_released, series_of

_ANSWERS = {
    "/release/Blender4.2/": 200,
    "/release/Blender4.2/blender-4.2.3-linux-x64.tar.xz": 200,
    "/release/Blender4.3/": 500,
    "/release/Blender4.4/": 405,
}


class _Site(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(_ANSWERS.get(self.path, 404))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/release"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("version", ["4.2", "4.2.3", "4.3", "4.4"])
def test_what_is_there_or_cannot_be_told_passes(mirror: str, version: str) -> None:
    check_released(version, mirror=mirror)
    check_released(version, mirror=mirror + "/")


@pytest.mark.parametrize("version", ["9.9", "4.2.99"])
def test_what_is_not_there_is_refused(mirror: str, version: str) -> None:
    with pytest.raises(UsageError, match=version) as caught:
        check_released(version, mirror=mirror)
    assert caught.value.hint


@pytest.mark.parametrize("mirror", ["http://127.0.0.1:9", "nonsense", "http://[", "http://127.0.0.1:9/a b"])
def test_a_mirror_that_cannot_be_asked_stops_nothing(mirror: str) -> None:
    check_released("9.9", mirror=mirror)


def test_a_version_is_one_that_was_written_as_such_and_is_not_too_old() -> None:
    assert series_of("4.2") == (4, 2) and series_of("5.10.3") == (5, 10)
    for text, cause in (("3.6", "too old"), ("4.1.9", "too old"), ("4", "not a Blender"), ("4.2.", "not a Blender")):
        with pytest.raises(UsageError, match=cause):
            series_of(text)
