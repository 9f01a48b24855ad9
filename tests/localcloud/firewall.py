# SPDX-License-Identifier: GPL-3.0-or-later
"""Security groups as far as they keep a caller out: who may open a new SSH connection to a machine.

The client is on this computer, so its packets always come from 127.0.0.1. What counts is the address that it has on the
stand-in's internet: `caller`, which is also what the checkip service answers. A private machine is reached without that
internet. Connections that are open stay open, as AWS's do. A network's default group lets in everybody here, where
AWS's lets in only itself.
"""

from __future__ import annotations

import ipaddress
from typing import Any

HOME = "127.0.0.1"


class Firewall:
    """Judges by the rules there are and the address the caller has at the moment; both may change at any time."""

    def __init__(self, *, ssh_port: int) -> None:
        self.caller = HOME
        self._ssh_port = ssh_port

    def admits(self, instance: Any) -> bool:
        """Tell whether a new connection to the SSH port of moto's instance gets through."""
        nics = instance.nics.values()
        groups = {g.id: g for nic in nics for g in nic.group_set} | {g.id: g for g in instance.security_groups}
        source = self.caller if any(nic.public_ip_auto_assign for nic in nics) else HOME
        return any(
            group.name == "default" or any(self._allows(rule, source) for rule in group.ingress_rules)
            for group in groups.values()
        )

    def _allows(self, rule: Any, source: str) -> bool:
        if rule.ip_protocol not in ("tcp", "-1") or not rule.cidr_ipv4:
            return False
        in_range = rule.ip_protocol == "-1" or rule.from_port <= self._ssh_port <= rule.to_port
        return in_range and ipaddress.IPv4Address(source) in ipaddress.IPv4Network(rule.cidr_ipv4, strict=False)
