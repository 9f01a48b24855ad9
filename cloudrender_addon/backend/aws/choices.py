# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine types worth offering for renders, with what they are made of: no network is needed to list them.

vCPUs, memory and GPUs: AWS's instance type pages (https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html and
co.html, gp.html beside it), checked against DescribeInstanceTypes by a test. Left out: ARM (Blender needs x86_64), GPUs
older than NVIDIA's Turing (p3: slow for its price, nearly sold out, its driver is installed at each boot), parts of a
GPU (g6f).

Speeds: medians on Blender Open Data (https://opendata.blender.org, Blender 4.5, OptiX), within 20 %, of one GPU. A
machine with several counts them all, which a long frame comes near to and a short one does not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MachineChoice:
    """A machine type. Memory in GiB, that of a GPU is each one's own; `gpu` is "" without one.

    `speed` is in Blender Open Data's samples per minute, None where nobody has measured it.
    """

    name: str
    vcpus: int
    memory_gb: int
    gpu: str = ""
    gpus: int = 0
    gpu_memory_gb: int = 0
    speed: float | None = None


@dataclass(frozen=True)
class _Gpu:
    name: str
    memory_gb: int
    speed: float | None = None


_T4 = _Gpu("NVIDIA T4", 16, 1502)
_A10G = _Gpu("NVIDIA A10G", 24, 3100)
_L4 = _Gpu("NVIDIA L4", 24, 3447)
_L40S = _Gpu("NVIDIA L40S", 48, 7848)
_RTX_PRO_6000 = _Gpu("NVIDIA RTX PRO 6000", 96, 15519)
_A100 = _Gpu("NVIDIA A100", 40)
_H100 = _Gpu("NVIDIA H100", 80)


def _with_gpu(name: str, vcpus: int, memory_gb: int, gpu: _Gpu, gpus: int = 1) -> MachineChoice:
    return MachineChoice(
        name=name,
        vcpus=vcpus,
        memory_gb=memory_gb,
        gpu=gpu.name,
        gpus=gpus,
        gpu_memory_gb=gpu.memory_gb,
        speed=gpu.speed * gpus if gpu.speed else None,
    )


def _without(name: str, vcpus: int, memory_gb: int) -> MachineChoice:
    return MachineChoice(name=name, vcpus=vcpus, memory_gb=memory_gb)


CHOICES: tuple[MachineChoice, ...] = (
    _with_gpu("g4dn.xlarge", 4, 16, _T4),
    _with_gpu("g4dn.2xlarge", 8, 32, _T4),
    _with_gpu("g4dn.4xlarge", 16, 64, _T4),
    _with_gpu("g4dn.12xlarge", 48, 192, _T4, 4),
    _with_gpu("g5.xlarge", 4, 16, _A10G),
    _with_gpu("g5.2xlarge", 8, 32, _A10G),
    _with_gpu("g5.4xlarge", 16, 64, _A10G),
    _with_gpu("g5.12xlarge", 48, 192, _A10G, 4),
    _with_gpu("g5.48xlarge", 192, 768, _A10G, 8),
    _with_gpu("g6.xlarge", 4, 16, _L4),
    _with_gpu("g6.2xlarge", 8, 32, _L4),
    _with_gpu("g6.4xlarge", 16, 64, _L4),
    _with_gpu("g6.12xlarge", 48, 192, _L4, 4),
    _with_gpu("g6.48xlarge", 192, 768, _L4, 8),
    _with_gpu("g6e.xlarge", 4, 32, _L40S),
    _with_gpu("g6e.2xlarge", 8, 64, _L40S),
    _with_gpu("g6e.4xlarge", 16, 128, _L40S),
    _with_gpu("g6e.12xlarge", 48, 384, _L40S, 4),
    _with_gpu("g6e.48xlarge", 192, 1536, _L40S, 8),
    _with_gpu("g7e.2xlarge", 8, 64, _RTX_PRO_6000),
    _with_gpu("g7e.4xlarge", 16, 128, _RTX_PRO_6000),
    _with_gpu("g7e.12xlarge", 48, 512, _RTX_PRO_6000, 2),
    _with_gpu("g7e.24xlarge", 96, 1024, _RTX_PRO_6000, 4),
    _with_gpu("g7e.48xlarge", 192, 2048, _RTX_PRO_6000, 8),
    # Made for computing: much memory, no ray tracing cores, poor value for a render that fits elsewhere.
    _with_gpu("p4d.24xlarge", 96, 1152, _A100, 8),
    _with_gpu("p5.4xlarge", 16, 256, _H100),
    _with_gpu("p5.48xlarge", 192, 2048, _H100, 8),
    # Two vCPUs are one core of c6i, c7i, c8i, m7i; each is a core of its own in c7a, c8a, m7a.
    _without("c6i.4xlarge", 16, 32),
    _without("c6i.8xlarge", 32, 64),
    _without("c6i.16xlarge", 64, 128),
    _without("c6i.32xlarge", 128, 256),
    _without("c7i.4xlarge", 16, 32),
    _without("c7i.8xlarge", 32, 64),
    _without("c7i.16xlarge", 64, 128),
    _without("c7i.48xlarge", 192, 384),
    _without("c8i.4xlarge", 16, 32),
    _without("c8i.8xlarge", 32, 64),
    _without("c8i.16xlarge", 64, 128),
    _without("c8i.48xlarge", 192, 384),
    _without("c7a.4xlarge", 16, 32),
    _without("c7a.8xlarge", 32, 64),
    _without("c7a.16xlarge", 64, 128),
    _without("c7a.48xlarge", 192, 384),
    _without("c8a.4xlarge", 16, 32),
    _without("c8a.8xlarge", 32, 64),
    _without("c8a.16xlarge", 64, 128),
    _without("c8a.48xlarge", 192, 384),
    _without("m7i.4xlarge", 16, 64),
    _without("m7i.8xlarge", 32, 128),
    _without("m7i.16xlarge", 64, 256),
    _without("m7i.48xlarge", 192, 768),
    _without("m7a.8xlarge", 32, 128),
    _without("m7a.16xlarge", 64, 256),
    _without("m7a.48xlarge", 192, 768),
)
"""With a GPU first, each family from small to large, families from old to new."""
