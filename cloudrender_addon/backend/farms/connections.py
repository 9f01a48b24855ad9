# SPDX-License-Identifier: GPL-3.0-or-later
"""When one connection to a machine is not enough, and how many there are then."""

from __future__ import annotations

FAR_SECONDS = 0.015
"""A round trip from which on one connection does not fill a good line (1 Gbit/s): sshd takes 2 MB ahead, no more."""

MOST_CONNECTIONS = 4

CONNECT_SECONDS = 15.0
"""How long to wait for a further one."""
