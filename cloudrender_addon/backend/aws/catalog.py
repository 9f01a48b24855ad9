# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine type is made of."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ConfigError, NotOfferedError
from .arm import is_arm, no_blender
from .choices import CHOICES
from .errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import GpuDeviceInfoTypeDef

    from .session import Account


_OF_NO_USE = ("NeuronInfo", "InferenceAcceleratorInfo", "FpgaInfo", "MediaAcceleratorInfo")
"""Where AWS describes accelerators that Blender does not know: AWS's own, FPGAs, video encoders."""


@dataclass(frozen=True, kw_only=True)
class MachineType:
    """A machine type. `gpu` is maker and model ("NVIDIA T4", "NVIDIA L4 part" of one), None without one."""

    name: str
    vcpus: int
    gpu: str | None


def machine_type(account: Account, name: str, *, on_demand: bool = False) -> MachineType:
    """Look a type up in the account's region.

    Raises `ConfigError` when it does not exist or cannot run Blender, `NotOfferedError` when it is not sold in the
    region, or not as spot, or not on-demand; `CloudError`.
    """
    if is_arm(name):
        raise no_blender(name)
    # Always by name: the list of all types takes seconds.
    try:
        with account.calling("ec2:DescribeInstanceTypes", machine=name):
            answer = account.ec2.describe_instance_types(InstanceTypes=[name])  # type: ignore[list-item]
    except ConfigError as error:
        raise _unknown(account, name, error) from error.__cause__
    found = answer["InstanceTypes"][0]
    architectures = found.get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    if "arm64" in architectures:
        raise no_blender(name)
    if "x86_64" not in architectures:
        raise ConfigError(
            f"{name} has an {', '.join(architectures) or 'unknown'} processor; Blender for Linux needs x86_64",
            hint="Use a Type (-c) with an Intel or AMD processor, such as g4dn.xlarge or c7i.4xlarge",
        )
    if any(found.get(key) for key in _OF_NO_USE):
        raise ConfigError(
            f"The accelerators of {name} are of no use to Blender",
            hint="Use a Type (-c) with an NVIDIA GPU, such as g4dn.xlarge, or one without any, such as c7i.4xlarge",
        )
    purchase, other = ("on-demand", "spot") if on_demand else ("spot", "on-demand")
    if purchase not in found.get("SupportedUsageClasses", []):
        raise NotOfferedError(
            f"{name} is not sold as {'an' if on_demand else 'a'} {purchase} machine",
            hint=f"Use another Type (-c), such as g4dn.xlarge, or set Purchase (--purchase) to {other}",
        )
    gpus = found.get("GpuInfo", {}).get("Gpus", [])
    return MachineType(
        name=name,
        vcpus=found["VCpuInfo"].get("DefaultVCpus", 0),
        gpu=_named(gpus[0]) if gpus else None,
    )


def _named(gpu: GpuDeviceInfoTypeDef) -> str:
    part = "" if gpu.get("GpuPartitionSize", 1) == 1 else "part"  # g6f: an eighth to a half, through NVIDIA's vGPU
    return " ".join(filter(None, (gpu.get("Manufacturer"), gpu.get("Name"), part)))


def _near(name: str, known: list[str]) -> tuple[str, ...]:
    """Return up to three types that may be meant: the nearest that can run Blender, then those worth offering."""
    nearest = difflib.get_close_matches(name, (each for each in known if not is_arm(each)), n=1)
    offered = difflib.get_close_matches(name, (choice.name for choice in CHOICES), n=2, cutoff=0.75)
    return tuple(dict.fromkeys((*nearest, *offered)))


def _unknown(account: Account, name: str, error: ConfigError) -> ConfigError | NotOfferedError:
    """Tell a type that this region lacks from one that is misspelt: botocore lists those of its day."""
    if code_of(error) != "InvalidInstanceType":
        return error
    known: list[str] = account.ec2.meta.service_model.shape_for("InstanceType").metadata["enum"]
    if name in known:
        return NotOfferedError(
            f"AWS does not offer {name} in {account.region}",
            hint="Use another Region (--region), or another Type (-c), such as g4dn.xlarge or c7i.4xlarge",
        )
    near = _near(name, known)
    return ConfigError(error.message, hint=f"{error.hint}; perhaps {' or '.join(near)}" if near else error.hint)
