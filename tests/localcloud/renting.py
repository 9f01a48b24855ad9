# SPDX-License-Identifier: GPL-3.0-or-later
"""Rent a stand-in machine and talk to it, as any client of AWS would (boto3 and paramiko): helpers for tests."""

from __future__ import annotations

import base64
import dataclasses
import io
import time
from collections.abc import Callable
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.localcloud.catalogue import IMAGES
from tests.localcloud.cloud import REGION, Cloud
from tests.localcloud.machine import Machine

UBUNTU = IMAGES[1].id_in(REGION)
NVIDIA = IMAGES[0].id_in(REGION)
SPOT = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}


def wait_until(condition: Callable[[], Any], *, seconds: float = 10.0, what: str = "the condition") -> Any:
    """Return the condition's value as soon as it is true. Raises AssertionError when it never gets so."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds:g} s"
        time.sleep(0.01)
    return value


def new_key() -> tuple[str, str]:
    """Return an ed25519 key pair as OpenSSH writes it: private, public."""
    key = Ed25519PrivateKey.generate()
    encoding, form = serialization.Encoding, serialization.PrivateFormat.OpenSSH
    private = key.private_bytes(encoding.PEM, form, serialization.NoEncryption())
    public = key.public_key().public_bytes(encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def multipart(*, host_key: str, script: str) -> str:
    """Return user data with a host key and a script."""
    indented = "".join(f"    {line}\n" for line in host_key.splitlines())
    whole = MIMEMultipart()
    whole.attach(MIMEText(f"#cloud-config\nssh_keys:\n  ed25519_private: |\n{indented}", "cloud-config"))
    whole.attach(MIMEText(script, "x-shellscript"))
    return whole.as_string()


@dataclasses.dataclass
class Rented:
    """A rented machine and what is needed to log in."""

    cloud: Cloud
    machine: Machine
    user_key: str
    host_key: str

    @property
    def description(self) -> dict[str, Any]:
        """What DescribeInstances says."""
        answer = self.cloud.client("ec2").describe_instances(InstanceIds=[self.machine.id])
        return answer["Reservations"][0]["Instances"][0]

    @property
    def state(self) -> str:
        return self.description["State"]["Name"]

    def connect(self, *, seconds: float = 10.0) -> paramiko.SSHClient:
        """Log in, the host key pinned."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        address, port = self.machine.order.address, self.cloud.ssh_port
        key = paramiko.Ed25519Key(data=base64.b64decode(self.host_key.split()[1]))
        client.get_host_keys().add(f"[{address}]:{port}", "ssh-ed25519", key)
        user = paramiko.Ed25519Key.from_private_key(io.StringIO(self.user_key))

        def attempt() -> bool:
            try:
                client.connect(
                    address,
                    port=port,
                    username=self.cloud.env()["CLOUDRENDER_SSH_USER"],
                    pkey=user,
                    look_for_keys=False,
                    allow_agent=False,
                    timeout=5,
                )
            except (paramiko.BadHostKeyException, paramiko.AuthenticationException):
                raise
            except (OSError, EOFError, paramiko.SSHException):
                return False
            return True

        wait_until(attempt, seconds=seconds, what="SSH")
        return client

    def run(self, command: str) -> str:
        """Run a command over a connection of its own and return what it prints."""
        with self.connect() as client:
            _, output, errors = client.exec_command(command, timeout=10)
            return (output.read() + errors.read()).decode()


def rent(cloud: Cloud, *, script: str = "#!/bin/sh\n", **request: Any) -> Rented:
    """Launch a spot machine that ends when it shuts down, with a script as user data."""
    user_key, user_public = new_key()
    host_key, host_public = new_key()
    ec2 = cloud.client("ec2")
    name = f"test-{len(cloud.machines)}"
    ec2.import_key_pair(KeyName=name, PublicKeyMaterial=user_public.encode())
    wanted = {
        "ImageId": UBUNTU,
        "InstanceType": "t3.micro",
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": name,
        "UserData": multipart(host_key=host_key, script=script),
        "InstanceMarketOptions": SPOT,
        "InstanceInitiatedShutdownBehavior": "terminate",
    }
    ec2.run_instances(**{**wanted, **request})
    ec2.delete_key_pair(KeyName=name)  # the machine has it by now, and tests need not clean it up
    return Rented(cloud, cloud.machines[-1], user_key, host_public)
