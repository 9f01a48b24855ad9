"""What tests of connections have in common: a command, and a wait that has to end soon after it is cancelled."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled
from cloudrender_addon.backend.ssh.connection import SshConnection
from tests.ssh.sshd_helper import until

HEARD_SECONDS = 0.3
SLACK_SECONDS = 0.3
"""For a busy computer; what is promised is `HEARD_SECONDS`."""


@contextmanager
def cancelled_when(condition: Callable[[], object]) -> Iterator[CancelToken]:
    """Give a token that is cancelled once `condition` holds; the body has to end with `Cancelled` soon after."""
    cancel = CancelToken()
    cancelled_at: list[float] = []

    def watch() -> None:
        until(condition, what="the moment to cancel")
        cancelled_at.append(time.monotonic())
        cancel.cancel()

    thread = threading.Thread(target=watch)
    thread.start()
    with pytest.raises(Cancelled):
        yield cancel
    ended_at = time.monotonic()
    thread.join()
    assert ended_at - cancelled_at[0] < HEARD_SECONDS + SLACK_SECONDS


def stalls(values: list[float]) -> Callable[[], bool]:
    """Tell whether something was written, and nothing more for a while: every buffer on the way is full."""
    return lambda: bool(values) and time.monotonic() - values[-1] > 0.3


def run(connection: SshConnection, command: str, stdin: bytes = b"", silence: float = 10.0):
    return connection.run(command, stdin=stdin, silence_seconds=silence, cancel=CancelToken())
