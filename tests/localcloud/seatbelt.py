# SPDX-License-Identifier: GPL-3.0-or-later
"""The seat belt: whatever runs in a stand-in machine cannot reach the power button of the computer it runs on.

The shims catch `shutdown` by its name. Should a script call it by its full path, or ask systemd, a seccomp
filter, inherited by every process of the machine, still stands in the way: it answers EACCES to `reboot`, to
signals for process 1 or for everybody, and to new Unix sockets (systemd, logind and D-Bus are reached over
those; socketpair() and TCP are not touched).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
# Without this, kernels before 5.16 slow every filtered process down (speculative store bypass), and with it
# the renders that benchmarks measure.
_SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW = 0x7FFF0000
_DENY = 0x00050000 | errno.EACCES
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little endian

# AUDIT_ARCH, then the system call numbers: seccomp, socket, kill, and those denied whatever their arguments
# (reboot, kexec_load, kexec_file_load). From the kernel's unistd_64.h and asm-generic/unistd.h.
_MACHINES = {
    "x86_64": (0xC000003E, 317, 41, 62, (169, 246, 320)),
    "aarch64": (0xC00000B7, 277, 198, 129, (142, 104, 294)),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def forbid_power_off() -> None:
    """Put the seat belt on this process and everything it will start. Raises OSError if that is impossible."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"the stand-in has no seat belt for {machine}")
    code = _filter(machine)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code)
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    call = _MACHINES[machine][1]
    flags = ctypes.c_ulong(_SECCOMP_FILTER_FLAG_SPEC_ALLOW)
    if libc.syscall(call, _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def _filter(machine: str) -> bytes:
    """Return the filter as classic BPF."""
    audit, _, socket_call, kill_call, denied = _MACHINES[machine]
    deny = _step(_RETURN, _DENY)
    allow = _step(_RETURN, _ALLOW)
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, audit, yes=1),
        deny,  # 32-bit programs number their calls differently
        _step(_LOAD, _NUMBER),
        _step(_JUMP_AT_LEAST, 0x40000000, no=1),
        deny,  # the x32 numbering
    ]
    for number in denied:
        steps += [_step(_JUMP_EQUAL, number, no=1), deny]
    steps += [_step(_JUMP_EQUAL, socket_call, no=4), _step(_LOAD, _FIRST_ARGUMENT)]
    steps += [_step(_JUMP_EQUAL, 1, no=1), deny, allow]  # AF_UNIX
    steps += [_step(_JUMP_EQUAL, kill_call, no=5), _step(_LOAD, _FIRST_ARGUMENT)]
    steps += [_step(_JUMP_EQUAL, 1, yes=1), _step(_JUMP_EQUAL, 0xFFFFFFFF, no=1), deny, allow]
    steps.append(allow)
    return b"".join(steps)


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)
