# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults as they are written on the command line: `--fault SPEC`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from tests.localcloud import small_disk
from tests.localcloud.cloud import Cloud

Apply = Callable[[Cloud], None]

FILLABLE_MB = 96
"""The disk of machines that are going to be full: room for a small project, and little enough memory to fill."""


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """One kind of fault: how it is written, what happens, and how to make it of the words after "="."""

    syntax: str
    effect: str
    parse: Callable[[list[str]], Apply]


def parse(text: str) -> Apply:
    """Return what applies the fault to a started Cloud. Raises ValueError with how it should be written."""
    name, _, rest = text.partition("=")
    kind = _KINDS.get(name)
    if kind is None:
        raise ValueError(f"there is no fault {name!r}; there are: {', '.join(_KINDS)}")
    try:
        return kind.parse(rest.split(":") if rest else [])
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{text!r} should be {kind.syntax}") from error


def describe() -> str:
    """Return the table of faults, for --help."""
    width = max(len(kind.syntax) for kind in _KINDS.values())
    return "\n".join(f"  {kind.syntax:<{width}}  {kind.effect}" for kind in _KINDS.values())


def _api(words: list[str]) -> Apply:
    action, code, *more = words
    (times,) = [int(word) for word in more] or [1]
    return lambda cloud: cloud.faults.api(action, code, times=times)


def _throttle(words: list[str]) -> Apply:
    action, times = words[0], int(words[1])
    return lambda cloud: cloud.faults.throttle(action, times=times)


def _delay(words: list[str]) -> Apply:
    action, seconds = words[0], float(words[1])
    return lambda cloud: cloud.faults.delay(action, seconds, times=1)


def _deny(words: list[str]) -> Apply:
    service, action = words
    return lambda cloud: cloud.rights.deny(f"{service}:{action}")


def _quota(words: list[str]) -> Apply:
    code, value = words[0], int(words[1])

    def apply(cloud: Cloud) -> None:
        cloud.quotas.values[code] = value

    return apply


def _refuse_ssh(words: list[str]) -> Apply:
    (seconds,) = (float(word) for word in words)

    def apply(cloud: Cloud) -> None:
        cloud.ssh_delay = seconds

    return apply


def _no_spot(words: list[str]) -> Apply:
    if words:
        raise ValueError("no-spot takes no value")
    return lambda cloud: cloud.faults.no_spot()


def _no_gpu(words: list[str]) -> Apply:
    if words:
        raise ValueError("no-gpu takes no value")

    def apply(cloud: Cloud) -> None:
        cloud.gpu = False

    return apply


def _slow_image(words: list[str]) -> Apply:
    (seconds,) = (float(word) for word in words)

    def apply(cloud: Cloud) -> None:
        cloud.images.seconds = seconds

    return apply


def _bad_image(words: list[str]) -> Apply:
    if words:
        raise ValueError("bad-image takes no value")

    def apply(cloud: Cloud) -> None:
        cloud.images.failing = True

    return apply


def _lack(words: list[str]) -> Apply:
    (beginning,) = words

    def apply(cloud: Cloud) -> None:
        cloud.lacking_packages = (*cloud.lacking_packages, beginning)

    return apply


def _driver(words: list[str]) -> Apply:
    (version,) = words

    def apply(cloud: Cloud) -> None:
        cloud.driver = version

    return apply


def _interrupt(words: list[str]) -> Apply:
    frames, *more = words
    (notice,) = [float(word) for word in more] or [120.0]
    return _after(int(frames), lambda cloud: lambda machine: cloud.interrupt(machine, notice=notice))


def _kill(words: list[str]) -> Apply:
    (frames,) = words
    return _after(int(frames), lambda cloud: cloud.kill)


def _cut(words: list[str]) -> Apply:
    (frames,) = words
    return _after(int(frames), lambda _: lambda machine: machine.cut_links())


def _move(words: list[str]) -> Apply:
    (frames,) = words
    return _after(int(frames), lambda cloud: lambda _: cloud.move_client("198.51.100.7"))


def _hang(words: list[str]) -> Apply:
    (frames,) = words
    return _after(int(frames), lambda _: lambda machine: machine.hang())


def _rebalance(words: list[str]) -> Apply:
    (frames,) = words
    return _after(int(frames), lambda cloud: cloud.recommend)


def _full_disk(words: list[str]) -> Apply:
    (frames,) = (int(word) for word in words)

    def apply(cloud: Cloud) -> None:
        if not small_disk.available():
            sys.exit("full-disk needs root, or user namespaces (docs/STANDIN.md)")
        cloud.disk_mb = FILLABLE_MB
        cloud.on_frames(frames, lambda machine: machine.fill_disk())

    return apply


def _corrupt(words: list[str]) -> Apply:
    frames, *more = (int(word) for word in words)
    (times,) = more or [1]
    return _after(frames, lambda _: lambda machine: machine.damage_transfers(times))


def _clock_jump(words: list[str]) -> Apply:
    frames, seconds = words
    return _after(int(frames), lambda _: lambda machine: machine.jump_clock(float(seconds)))


def _after(frames: int, action: Callable[[Cloud], Callable]) -> Apply:
    return lambda cloud: cloud.on_frames(frames, action(cloud))


_KINDS = {
    "api": _Kind(
        syntax="api=ACTION:CODE[:TIMES]",
        effect="that call (* for every call) gets this AWS error, once or TIMES times; boto's retries count",
        parse=_api,
    ),
    "throttle": _Kind(
        syntax="throttle=ACTION:TIMES", effect="that call is answered 'too many requests'", parse=_throttle
    ),
    "no-spot": _Kind(
        syntax="no-spot", effect="spot machines of every type are sold out; on-demand ones are not", parse=_no_spot
    ),
    "delay": _Kind(syntax="delay=ACTION:SECONDS", effect="that call takes that much longer, once", parse=_delay),
    "deny": _Kind(syntax="deny=SERVICE:ACTION", effect="the user lacks that right", parse=_deny),
    "quota": _Kind(syntax="quota=CODE:VCPUS", effect="that quota (64 vCPUs each) has this value", parse=_quota),
    "refuse-ssh": _Kind(
        syntax="refuse-ssh=SECONDS", effect="the SSH port stays closed that long after boot", parse=_refuse_ssh
    ),
    "interrupt": _Kind(
        syntax="interrupt=FRAMES[:SECONDS]",
        effect="after that many frames the first machine gets the spot notice, SECONDS (120) later it is gone",
        parse=_interrupt,
    ),
    "kill": _Kind(
        syntax="kill=FRAMES", effect="after that many frames the first machine is gone, no notice", parse=_kill
    ),
    "cut": _Kind(syntax="cut=FRAMES", effect="after that many frames its SSH connections break, once", parse=_cut),
    "move": _Kind(
        syntax="move=FRAMES",
        effect="after that many frames the client has another public address, and its connections break, once",
        parse=_move,
    ),
    "hang": _Kind(
        syntax="hang=FRAMES",
        effect="after that many frames it freezes: connections stay open, nothing answers",
        parse=_hang,
    ),
    "rebalance": _Kind(
        syntax="rebalance=FRAMES",
        effect="after that many frames the first machine is told that it is likely to be taken away",
        parse=_rebalance,
    ),
    "full-disk": _Kind(
        syntax="full-disk=FRAMES", effect="after that many frames its disk has no byte left", parse=_full_disk
    ),
    "corrupt": _Kind(
        syntax="corrupt=FRAMES[:TIMES]",
        effect="after that many frames the next one fetched arrives with other bytes, TIMES (1) times",
        parse=_corrupt,
    ),
    "clock-jump": _Kind(
        syntax="clock-jump=FRAMES:SECONDS",
        effect="after that many frames its wall clock moves by SECONDS (may be negative)",
        parse=_clock_jump,
    ),
    "slow-image": _Kind(syntax="slow-image=SECONDS", effect="an image stays pending for that long", parse=_slow_image),
    "bad-image": _Kind(syntax="bad-image", effect="images fail instead of becoming available", parse=_bad_image),
    "driver": _Kind(
        syntax="driver=VERSION",
        effect="the NVIDIA driver of GPU types; none: no image brings one; mismatch or silent: not one that works",
        parse=_driver,
    ),
    "lack": _Kind(
        syntax="lack=PACKAGE",
        effect="apt-get does not find the packages whose names begin like that",
        parse=_lack,
    ),
    "no-gpu": _Kind(syntax="no-gpu", effect="machines of a GPU type come without a working GPU", parse=_no_gpu),
}
