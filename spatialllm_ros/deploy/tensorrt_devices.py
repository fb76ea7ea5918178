"""What engines are built for: devices by name, or the GPU of this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.engines.tensorrt_library import Gpu, TensorRT

GIB = 1024**3
WORKSPACE_SHARE = 1 / 16
"""Of the device's memory, for scratch: 512 MiB on an Orin Nano. Without a limit the builder has
taken 1 GiB there and failed. Source: hokwangchoi/jetson-orin-nano-benchmarks, 2026-04-19."""


@dataclass(frozen=True)
class Device:
    """A kind of GPU; ``memory_bytes`` is shared with the CPU on a Jetson."""

    compute_capabilities: tuple[str, ...]
    memory_bytes: int


# Compute capabilities: developer.nvidia.com/cuda-gpus; of RTX cards those that the support matrix
# of TensorRT-RTX 1.5 calls portable by default. Memory: that of the smaller module or card of the
# kind, not of the 4 GB Orin Nano; for AGX Orin and Thor it is assumed, no data sheet was read.
DEVICES = {
    'orin-nano': Device(('8.7',), 8 * GIB),
    'orin-nx': Device(('8.7',), 8 * GIB),
    'agx-orin': Device(('8.7',), 32 * GIB),
    'thor': Device(('11.0',), 64 * GIB),
    'rtx': Device(('8.6', '8.9', '12.0'), 8 * GIB),
}
"""The presets; ``auto`` stands for the GPU of this machine."""


LEAST_CAPABILITIES = {'float8_e4m3fn': '8.9', 'float4_e2m1fn': '10.0'}
"""Where products of small floats are to be had, by the type of most weights. TensorRT-RTX 1.7.1
builds them for 8.9 and for 12.0, and refuses older ones; NVIDIA's table of Blackwell's formats
begins with 10.0."""


@dataclass(frozen=True)
class Target:
    """What one engine is built for; ``gpu`` names the one it is built on, if it is."""

    compute_capabilities: tuple[str, ...]
    workspace_bytes: int
    gpu: str | None


def resolve_target(
    device: str, capabilities: Sequence[str], tensorrt: TensorRT, gpu: Gpu | None
) -> Target:
    """Return what to build for.

    Args:
        device: a key of ``DEVICES``, or ``auto``.
        capabilities: compute capabilities to build for instead of the device's.
        tensorrt: what builds.
        gpu: the one of this machine.

    Raises:
        ConfigError: there is no GPU to find that out from, or this TensorRT cannot build for it.
    """
    chosen = _device(device, capabilities, gpu)
    wanted = tuple(dict.fromkeys(capabilities)) or chosen.compute_capabilities
    possible = buildable(tensorrt, gpu)
    if tensorrt.needs_gpu and not capabilities and set(possible) & set(wanted):
        wanted = tuple(possible)  # of a kind with several, the one at hand
    if impossible := [capability for capability in wanted if capability not in possible]:
        raise ConfigError(
            f'expected compute capabilities that {tensorrt.flavour} {tensorrt.version} can build '
            f'for here ({" ".join(possible)}), found {" ".join(impossible)}; a Jetson needs the '
            'TensorRT of its JetPack: build on the robot itself'
        )
    workspace = int(chosen.memory_bytes * WORKSPACE_SHARE)
    return Target(wanted, workspace, gpu.name if gpu else None)


def check_precision(precision: str, target: Target) -> None:
    """Refuse GPUs that cannot compute in a precision.

    Args:
        precision: type of most of a graph's weights.
        target: what is to be built for.

    Raises:
        ConfigError: names them, and what they can have.
    """
    least = LEAST_CAPABILITIES.get(precision, '0.0')
    if lacking := [c for c in target.compute_capabilities if float(c) < float(least)]:
        raise ConfigError(
            f'expected compute capability {least} or newer for weights of {precision}, found '
            f'{", ".join(lacking)}; name others by --compute-capability, or take a bundle in int8 '
            'or int4'
        )


def buildable(tensorrt: TensorRT, gpu: Gpu | None) -> list[str]:
    """Return the compute capabilities that engines can be built for on this machine."""
    if tensorrt.needs_gpu:
        return [gpu.compute_capability] if gpu else []
    members = tensorrt.api.ComputeCapability.__members__
    found = (re.fullmatch(r'SM(\d+)(\d)', name) for name in members)
    return [f'{match[1]}.{match[2]}' for match in found if match]


def member_name(capability: str) -> str:
    """Return what TensorRT-RTX calls a compute capability: ``12.0`` is ``SM120``."""
    return f'SM{capability.replace(".", "")}'


def _device(name: str, capabilities: Sequence[str], gpu: Gpu | None) -> Device:
    if name != 'auto':
        return DEVICES[name]
    if gpu is not None:
        return Device((gpu.compute_capability,), gpu.memory_bytes)
    if capabilities:
        return DEVICES['rtx']
    raise ConfigError(
        f'expected a GPU to build for, found none in this machine; name one by --device '
        f'({", ".join(DEVICES)}) or by --compute-capability'
    )
