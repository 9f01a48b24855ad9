# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in cloud: a fresh AWS account whose machines are real process trees on this computer.

    with Cloud() as cloud:
        subprocess.run([...], env=cloud.environ())
        assert not cloud.leftovers()

moto keeps its state in the process, so there is one started Cloud per process at a time.
"""

from __future__ import annotations

import base64
import contextlib
import getpass
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from tests.localcloud import account, behaviour, catalogue, userdata
from tests.localcloud.disk_keys import DiskKeys
from tests.localcloud.faults import Faults
from tests.localcloud.firewall import Firewall
from tests.localcloud.frames import FrameWatch
from tests.localcloud.front import Action, Front
from tests.localcloud.lifecycle import Lifecycle
from tests.localcloud.machine import Machine, Order
from tests.localcloud.mirror import Mirror, installed_blenders, launcher_scripts
from tests.localcloud.moto_import import import_moto, without_aws_settings
from tests.localcloud.own_images import OwnImages
from tests.localcloud.quotas import Quotas
from tests.localcloud.rights import Rights

REGION = "us-east-1"
DRIVER = "580.95.05"
_CREDENTIALS = {"aws_access_key_id": "AKIASTANDINCLOUD0000", "aws_secret_access_key": "stand-in"}
_PORTS = range(20000, 32000)  # below the ports that Linux gives to outgoing connections


class Cloud:
    """A fresh account, from entering to leaving the context; leaving ends everything.

    `boot_delay` is how long a machine stays pending, `visible_after` how long DescribeInstances does not know it
    (seconds). `ssh_delay` (seconds from boot until the SSH port opens), `disk_mb` (None, or the size of a disk that
    can be filled: see small_disk.py), `gpu` (False: there is no GPU), `driver` (what `nvidia-smi` says: see
    nvidia/nvidia-smi; "none": no image has one) and `lacking_packages` (what the names begin with of those that apt-get
    does not find) may be changed at any time, and hold for machines launched from then on; `images.seconds` and
    `images.failing` for images. `keep` leaves the machines' folders on disk.
    `blenders` are offered for download (see `Mirror`); None: those that are installed.
    """

    def __init__(
        self,
        *,
        boot_delay: float = 0.0,
        visible_after: float = 0.0,
        keep: bool = False,
        blenders: Mapping[str, str] | None = None,
    ) -> None:
        self.ssh_delay = 0.0
        self.disk_mb: int | None = None
        self.gpu = True
        self.driver = DRIVER
        self.lacking_packages: tuple[str, ...] = ()
        self.expect_leftovers = False
        self.faults = Faults()
        self.rights = Rights()
        self.quotas = Quotas()
        self._boot_delay = boot_delay
        self._visible_after = visible_after
        self._keep = keep
        self._blenders = blenders
        self._watches: list[FrameWatch] = []
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Cloud:
        import_moto()
        with contextlib.ExitStack() as undo:
            from moto.ec2.models.instances import Instance

            self.folder = Path(tempfile.mkdtemp(prefix="cloudrender-standin-"))
            if not self._keep:
                undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
            (self.folder / "home").mkdir()
            self._network, self.ssh_port = _free_network()
            self._firewall = Firewall(ssh_port=self.ssh_port)
            self._lifecycle = Lifecycle(
                build=self._build,
                release=Instance.terminate,
                admits=self._firewall.admits,
                boot_delay=self._boot_delay,
            )
            self.images = OwnImages(
                self.folder / "images", machine_of=self._lifecycle.machine, keys=DiskKeys(self.rights)
            )
            undo.enter_context(
                behaviour.installed(self._lifecycle, images=self.images, visible_after=self._visible_after)
            )
            undo.callback(self._lifecycle.close)
            mirror = Mirror(launcher_scripts(installed_blenders()) if self._blenders is None else self._blenders)
            self._front = Front(faults=self.faults, rights=self.rights, quotas=self.quotas, mirror=mirror)
            undo.callback(self._front.close)
            undo.callback(lambda: [watch.stop() for watch in self._watches])
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @property
    def machines(self) -> list[Machine]:
        """Every machine ever launched, in order, with its history."""
        return list(self._lifecycle.machines)

    @property
    def calls(self) -> list[Action]:
        """Every API call so far, (service, action), in order."""
        return list(self._front.calls)

    @property
    def endpoint(self) -> str:
        """The base URL of the AWS API."""
        return self._front.url

    def env(self) -> dict[str, str]:
        """Return the environment variables that point the product, and any AWS SDK, at this account."""
        nowhere = str(self.folder / "nowhere")
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": _CREDENTIALS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": _CREDENTIALS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "CLOUDRENDER_SSH_PORT": str(self.ssh_port),
            "CLOUDRENDER_SSH_USER": getpass.getuser(),
            "CLOUDRENDER_MIRROR": self._front.mirror_url,
            "CLOUDRENDER_CHECKIP_URL": self._front.checkip_url,
            "CLOUDRENDER_HOME": str(self.folder / "home"),
            "CLOUDRENDER_CONFIG": nowhere,
        }

    def environ(self) -> dict[str, str]:
        """Return a whole environment for a child process: this one, without what it says of AWS, and `env()`."""
        ours = ("AWS_", "CLOUDRENDER_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        kept.pop("no_proxy", None)  # would win over NO_PROXY
        # The commands of this project, for who has not activated its virtual environment.
        kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
        return {**kept, **self.env()}

    def client(self, service: str, *, region: str = REGION, **settings: Any) -> Any:
        """Return a boto3 client of this account."""
        import boto3

        where = {"endpoint_url": self.endpoint, "region_name": region}
        with without_aws_settings():
            return boto3.client(service, **where, **_CREDENTIALS, **settings)

    def leftovers(self, *, allowed: Collection[str] = ()) -> list[str]:
        """Return one line for each thing that still exists in the account or runs on this computer for it.

        `allowed` are kinds of things that may be left ("image": with its snapshots).
        """
        running = [f"machine {m.id} still has {len(pids)} processes" for m in self.machines if (pids := m.processes())]
        return account.leftovers(allowed=allowed) + running

    def on_frames(self, frames: int, action: Callable[[Machine], None], *, machine: int = 0) -> None:
        """Call `action(machine)` once, when the n-th machine launched has that many finished frames."""

        def find() -> Machine | None:
            machines = self._lifecycle.machines
            return machines[machine] if len(machines) > machine else None

        self._watches.append(FrameWatch(frames, action, machine=find))

    def move_client(self, address: str) -> None:
        """Let the client change networks: it has another public address from now on, and its connections break."""
        self._firewall.caller = self._front.caller = address
        self._lifecycle.judge_callers()
        for machine in self.machines:
            machine.cut_links()

    def interrupt(self, machine: Machine, *, notice: float = 120.0) -> None:
        """Take a spot machine away as AWS does: a notice, and `notice` seconds later the power cut."""
        self._lifecycle.warn(machine, seconds=notice)
        self._lifecycle.reclaim(machine, after=notice)

    def recommend(self, machine: Machine) -> None:
        """Tell a spot machine that it is likely to be taken away (the rebalance recommendation); nothing follows."""
        self._lifecycle.recommend(machine)

    def kill(self, machine: Machine) -> None:
        """Take a spot machine away without notice."""
        self._lifecycle.reclaim(machine)

    def _build(self, instance: Any) -> Machine:
        """Make the machine of a new instance."""
        number = len(self._lifecycle.machines)
        address = f"127.{self._network}.{number // 250}.{number % 250 + 2}"
        zone = instance.placement.zone
        raw = instance.user_data.as_bytes() if instance.user_data else b""
        user_data = base64.b64decode(raw)
        pair = instance.ec2_backend.key_pairs.get(instance.key_name)
        gpu = catalogue.gpu_of(instance.instance_type) if self.gpu else None
        modules = catalogue.driver_of(instance.image_id, instance.region_name) if self.driver != "none" else None
        order = Order(
            instance_id=instance.id,
            instance_type=instance.instance_type,
            spot=instance.lifecycle == "spot",
            address=address,
            ssh_port=self.ssh_port,
            authorized_key=pair.public_key if pair else "",
            user_data=userdata.parse(user_data),
            gpu=gpu,
            ssh_delay=self.ssh_delay,
            disk_mb=self.disk_mb,
            image_disk=self.images.disk_of(instance.image_id),
            driver=self.driver,
            modules=modules,
            switches=gpu is not None and catalogue.has_switches(instance.instance_type),
            lacking=self.lacking_packages,
            keep_folder=self._keep,
            values={
                "meta-data/ami-id": instance.image_id,
                "meta-data/instance-id": instance.id,
                "meta-data/instance-life-cycle": instance.lifecycle or "on-demand",
                "meta-data/instance-type": instance.instance_type,
                "meta-data/local-ipv4": address,
                "meta-data/public-ipv4": address,
                "meta-data/placement/availability-zone": zone,
                "meta-data/placement/region": instance.region_name,
                "user-data": user_data.decode(errors="replace"),
            },
        )
        return Machine(order, folder=self.folder / instance.id, power_button=self._lifecycle.pressed)


def _free_network() -> tuple[int, int]:
    """Return the second byte of a loopback network, and a port free on all of loopback.

    Random, as several Clouds of several processes live side by side.
    """
    while True:
        network, port = 64 + secrets.randbelow(128), secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((f"127.{network}.0.2", port))
            return network, port
