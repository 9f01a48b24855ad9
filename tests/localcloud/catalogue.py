# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in's shelves hold beyond moto's: two machine images, the SSM parameters naming them, prices.

Nothing here imports moto at the top: it is slow, and only a started Cloud needs it.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

ACCOUNT = "123456789012"


@dataclass(frozen=True, kw_only=True)
class Image:
    """A public image: `disk_gb` is its snapshot's size, `driver` the kernel modules of its NVIDIA driver ("open")."""

    parameter: str
    name: str
    owner: str
    owner_alias: str | None
    disk_gb: int
    driver: str | None = None

    def id_in(self, region: str) -> str:
        """Return its id, which differs from region to region as on AWS."""
        return f"ami-0{hashlib.sha256(f'{self.parameter}{region}'.encode()).hexdigest()[:16]}"


IMAGES = (
    Image(
        parameter=("/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"),
        name="Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04) 20251101",
        owner="898082745236",
        owner_alias="amazon",
        disk_gb=75,
        driver="open",
    ),
    Image(
        parameter="/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
        name="ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251101",
        owner="099720109477",
        owner_alias=None,
        disk_gb=8,
    ),
)

# On-demand USD per hour in us-east-1, then USD per vCPU of other families.
_ON_DEMAND = {
    "g4dn.xlarge": 0.526,
    "g5.xlarge": 1.006,
    "g6.xlarge": 0.805,
    "g6e.xlarge": 1.861,
    "g7e.2xlarge": 3.363,
}
_PER_VCPU = {"t3": 0.0208, "t3a": 0.0188, "c7i": 0.0446, "c7a": 0.0513, "m7i": 0.0504, "r7i": 0.0662}
_PER_GPU_VCPU = 0.1315  # g4dn.xlarge's
_OTHER_PER_VCPU = 0.048
_SPOT_SHARE = 0.31


def seed_images(backend: Any) -> None:
    """Put the images on the shelf of one region's EC2 backend."""
    from moto.ec2.models.amis import Ami

    class PublicImage(Ami):  # type: ignore[misc]
        """Says its own disk instead of moto's 15 GB of magnetic storage."""

        disk_gb = 0

        @property
        def block_device_mappings(self) -> list[dict[str, Any]]:
            ebs = {
                "SnapshotId": self.ebs_snapshot.id,
                "VolumeSize": self.disk_gb,
                "DeleteOnTermination": True,
                "VolumeType": "gp3",
                "Encrypted": False,
            }
            return [{"DeviceName": self.root_device_name, "Ebs": ebs}]

    for image in IMAGES:
        ami = PublicImage(
            backend,
            image.id_in(backend.region_name),
            name=image.name,
            description=image.name,
            owner_id=image.owner,
            owner_alias=image.owner_alias,
            public=True,
            virtualization_type="hvm",
            architecture="x86_64",
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name="/dev/sda1",
            region_name=f"{backend.region_name}a",
        )
        ami.disk_gb = image.disk_gb
        backend.amis[ami.id] = ami


def seed_parameters(backend: Any) -> None:
    """Put the public parameters that name the images into one region's SSM backend."""
    from moto.ssm.models import Parameter

    for image in IMAGES:
        backend._parameters[image.parameter].append(
            Parameter(
                account_id=ACCOUNT,
                name=image.parameter,
                value=image.id_in(backend.region_name),
                parameter_type="String",
                description=None,
                allowed_pattern=None,
                keyid=None,
                last_modified_date=_now(),
                version=1,
                data_type="aws:ec2:image",
            )
        )


def spot_prices(offers: Iterable[dict[str, str]], *, products: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield a price history: for every offer (type and zone) the price now and an older one, newest first.

    The newest one holds since a few minutes or hours ago: AWS records changes, not samples.
    """
    known = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
    wanted = [product for product in known if not (set(products) or set(known)).isdisjoint({product})]
    for offer in offers:
        price_now = spot_price(offer["InstanceType"], offer["Location"])
        age = _spread(offer["InstanceType"], offer["Location"]) / 20
        for hours, drift in ((0.1 + age, 1.0), (9.0 + age, 1.04)):
            price = price_now * drift
            for product in wanted:
                yield {
                    "InstanceType": offer["InstanceType"],
                    "ProductDescription": product,
                    "SpotPrice": f"{price:.6f}",
                    "AvailabilityZone": offer["Location"],
                    "Timestamp": _now() - datetime.timedelta(hours=hours),
                }


def spot_price(instance_type: str, zone: str) -> float:
    """Return the spot price of the type in a zone, USD per hour."""
    return on_demand_price(instance_type) * _SPOT_SHARE * (0.97 + _spread(instance_type, zone) / 1000)


def _spread(instance_type: str, zone: str) -> int:
    return zlib.crc32(f"{instance_type}{zone}".encode()) % 100


def on_demand_price(instance_type: str) -> float:
    """Return the price of the type, USD per hour."""
    if instance_type in _ON_DEMAND:
        return _ON_DEMAND[instance_type]
    vcpus = int(_describe(instance_type).get("VCpuInfo", {}).get("DefaultVCpus", 1))
    base = _PER_GPU_VCPU if gpu_of(instance_type) else _OTHER_PER_VCPU
    return vcpus * _PER_VCPU.get(instance_type.partition(".")[0], base)


def types_in(region: str) -> list[str]:
    """Return the names of the types that are sold in a region."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    return sorted(offer["InstanceType"] for offer in INSTANCE_TYPE_OFFERINGS["region"].get(region, []))


def gpu_of(instance_type: str) -> str | None:
    """Return the name of the type's GPU ("T4"), None if it has none."""
    gpus = _describe(instance_type).get("GpuInfo", {}).get("Gpus") or [{}]
    return gpus[0].get("Name")


def driver_of(image_id: str, region: str) -> str | None:
    """Return the kind of kernel modules of the NVIDIA driver that a public image brings, None without one."""
    return next((image.driver for image in IMAGES if image.id_in(region) == image_id), None)


def has_switches(instance_type: str) -> bool:
    """Tell whether the type's GPUs are joined by switches."""
    gpus = _describe(instance_type).get("GpuInfo", {}).get("Gpus") or [{}]
    return gpus[0].get("Name") in ("A100", "H100", "H200", "B200", "B300") and gpus[0].get("Count", 1) > 1


def older_types() -> dict[str, dict[str, Any]]:
    """Return descriptions of types that AWS documents and that moto's copy of us-east-1 has not (any more).

    https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html
    """
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    made = {}
    for name, like, vcpus, memory_gb, maker, gpu, gpus, gpu_gb in (
        ("p3.2xlarge", "p3dn.24xlarge", 8, 61, "NVIDIA", "V100", 1, 16),
        ("p3.8xlarge", "p3dn.24xlarge", 32, 244, "NVIDIA", "V100", 4, 16),
        ("p3.16xlarge", "p3dn.24xlarge", 64, 488, "NVIDIA", "V100", 8, 16),
        ("g4ad.xlarge", "g4dn.xlarge", 4, 16, "AMD", "Radeon Pro V520", 1, 8),
    ):
        made[name] = found = copy.deepcopy(INSTANCE_TYPES[like])
        found["InstanceType"] = name
        found["VCpuInfo"] = {"DefaultVCpus": vcpus, "DefaultCores": vcpus // 2, "DefaultThreadsPerCore": 2}
        found["MemoryInfo"] = {"SizeInMiB": memory_gb * 1024}
        found["GpuInfo"]["Gpus"][0] |= {"Manufacturer": maker, "Name": gpu, "Count": gpus, "LogicalGpuCount": gpus}
        found["GpuInfo"]["Gpus"][0]["MemoryInfo"] = {"SizeInMiB": gpu_gb * 1024}
        found["GpuInfo"]["TotalGpuMemoryInMiB"] = gpus * gpu_gb * 1024
    return made


@contextlib.contextmanager
def selling(types: dict[str, dict[str, Any]], *, region: str = "us-east-1") -> Iterator[None]:
    """Let moto offer these types in a region as well, in all of its zones."""
    from moto.ec2.models.instance_types import (
        INSTANCE_TYPE_OFFERINGS,
        INSTANCE_TYPES,
        InstanceType,
        InstanceTypeBackend,
    )

    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.dict(INSTANCE_TYPES, types))
        described = [*InstanceTypeBackend.instance_types, *map(InstanceType, types)]
        patches.enter_context(mock.patch.object(InstanceTypeBackend, "instance_types", described))
        for kind, places in INSTANCE_TYPE_OFFERINGS.items():
            offers = places[region]
            more = [
                {"InstanceType": name, "LocationType": kind, "Location": place}
                for place in dict.fromkeys(offer["Location"] for offer in offers)
                for name in types
            ]
            patches.enter_context(mock.patch.dict(places, {region: [*offers, *more]}))
        yield


def vcpus_of(instance_type: str) -> int:
    """Return the number of vCPUs of the type, 0 for an unknown one."""
    return int(_describe(instance_type).get("VCpuInfo", {}).get("DefaultVCpus", 0))


def architectures_of(instance_type: str) -> list[str]:
    """Return the processor architectures that run on the type."""
    found: list[str] = _describe(instance_type).get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    return found


def _describe(instance_type: str) -> dict[str, Any]:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    found: dict[str, Any] = INSTANCE_TYPES.get(instance_type, {})
    return found


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
