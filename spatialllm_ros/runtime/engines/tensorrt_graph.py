"""One TensorRT engine on the GPU: arrays in, an array out, other tensors wherever they lie.

The same code for TensorRT 10, 11 and RTX: what only some of them have is asked of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.engines.base import Floats
from spatialllm_ros.runtime.engines.cuda_driver import CudaDriver, DeviceMemory
from spatialllm_ros.runtime.engines.tensorrt_identity import EngineIdentity
from spatialllm_ros.runtime.engines.tensorrt_library import TensorRT, new_log
from spatialllm_ros.runtime.engines.tensorrt_profiles import Sizes, choose_profile
from spatialllm_ros.runtime.engines.tensorrt_steps import Step, Steps

Arrays = Mapping[str, NDArray[Any]]
REPEATING = ('image', 'decode')
"""Profiles that are given the same shapes again and again: images, and words."""


@dataclass(frozen=True)
class Resident:
    """A tensor that stays on the GPU; ``shape`` is of use for inputs alone."""

    memory: DeviceMemory
    shape: tuple[int, ...]


class _Work(NamedTuple):
    """What is to be computed: sizes of inputs, where every tensor but ``wanted`` lies."""

    profile: int
    sizes: Sizes
    memories: Mapping[str, DeviceMemory]
    wanted: str

    @property
    def key(self) -> Hashable:
        """What tells it apart from other work."""
        places = (memory.address for memory in self.memories.values())
        return (self.profile, *self.sizes.items(), *places)


class TensorRTGraph:
    """A loaded engine; each profile has an execution context of its own, made once."""

    def __init__(
        self, path: Path, identity: EngineIdentity, tensorrt: TensorRT, driver: CudaDriver
    ) -> None:
        """Load an engine that ``check_engine`` let pass.

        Raises:
            EngineError: TensorRT refuses it, or there is not enough memory.
        """
        self._path, self._identity, self._api = path, identity, tensorrt.api
        self.driver = driver
        self._log = new_log(tensorrt.api)
        self._runtime = tensorrt.api.Runtime(self._log)  # has to live as long as the engine
        self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        self._refuse(self._engine is None, 'to load it')
        found = self._engine.num_optimization_profiles
        self._refuse(found != len(identity.profiles), f'{list(identity.profiles)}, found {found}')
        # TensorRT-RTX does so when told, and then knows best when a shape's kernels are ready.
        self._records_itself = hasattr(self._api, 'CudaGraphStrategy')
        self._repeating = [
            index
            for index, name in enumerate(identity.profiles)
            if name in REPEATING and not self._records_itself
        ]
        self._contexts = [self._new_context(index) for index in range(found)]
        self._arrays: dict[str, DeviceMemory] = {}
        self._steps = Steps()

    def allocate(self, nbytes: int) -> DeviceMemory:
        """Return new memory, for which the steps that are kept ready give way.

        Raises:
            EngineError: there is not so much.
        """
        try:
            return DeviceMemory(self.driver, nbytes)
        except EngineError:
            if not self._steps.clear():
                raise
        return DeviceMemory(self.driver, nbytes)

    def dtype(self, tensor: str) -> np.dtype[Any]:
        """Return the type of a tensor."""
        kind: np.dtype[Any] = np.dtype(self._api.nptype(self._engine.get_tensor_dtype(tensor)))
        return kind

    def is_in_place(self, given: str, made: str) -> bool:
        """Tell whether an input and an output have to be one memory."""
        # TensorRT before 10.15 has neither such tensors nor the function.
        alias = getattr(self._engine, 'get_aliased_input_tensor', lambda _: None)
        return bool(alias(made) == given)

    def run(self, inputs: Arrays, residents: Mapping[str, Resident], wanted: str) -> Floats:
        """Compute one output.

        Args:
            inputs: arrays by name.
            residents: all other tensors but ``wanted``: inputs and outputs.
            wanted: an output of float32.

        Raises:
            EngineError: the inputs are beyond every profile, or TensorRT failed.
        """
        arrays: dict[str, NDArray[Any]] = {
            name: np.ascontiguousarray(values, self.dtype(name)) for name, values in inputs.items()
        }
        sizes = {name: values.shape for name, values in arrays.items()}
        sizes |= {name: tensor.shape for name, tensor in residents.items() if self._is_input(name)}
        profile = choose_profile(self._identity.profiles, sizes)
        for name, values in arrays.items():
            self._array(name, values.nbytes).write(values)
        memories = {name: self._arrays[name] for name in arrays}
        memories |= {name: tensor.memory for name, tensor in residents.items()}
        step = self._step(_Work(profile, sizes, memories, wanted))
        self._refuse(not step.run(), 'to run')
        self._log.errors.clear()  # of what could not be recorded
        return np.asarray(step.output.read(step.shape, self.dtype(wanted)), np.float32)

    def _step(self, work: _Work) -> Step:
        """Return what is ready to run: the same as before, if the work comes again."""
        if work.profile in self._repeating:
            allocate = partial(DeviceMemory, self.driver)
            found = self._steps.find(
                work.key,
                lambda: self._ready(
                    work, self._new_context(work.profile, is_small=True), allocate
                ),
            )
            if found:
                return found
        return self._ready(work, self._contexts[work.profile], partial(self._array, work.wanted))

    def _ready(self, work: _Work, context: Any, allocate: Callable[[int], DeviceMemory]) -> Step:
        """Give a context its shapes and addresses, and the output memory."""
        for name, size in work.sizes.items():
            self._refuse(not context.set_input_shape(name, size), f'to take {name} of {size}')
        shape = tuple(context.get_tensor_shape(work.wanted))
        output = allocate(int(np.prod(shape)) * self.dtype(work.wanted).itemsize)
        for name, memory in {**work.memories, work.wanted: output}.items():
            done = context.set_tensor_address(name, memory.address)
            self._refuse(not done, f'to read or write {name}')
        return Step(self.driver, context, shape, output)

    def _is_input(self, tensor: str) -> bool:
        return bool(self._engine.get_tensor_mode(tensor) == self._api.TensorIOMode.INPUT)

    def _array(self, name: str, nbytes: int) -> DeviceMemory:
        """Return memory for a tensor that comes from or goes to the CPU; it only ever grows."""
        memory = self._arrays.get(name)
        if memory is None or memory.nbytes < nbytes:
            self._arrays.pop(name, None)  # before the next, which may need its room
            memory = self._arrays[name] = self.allocate(nbytes)
        return memory

    def _new_context(self, profile: int, *, is_small: bool = False) -> Any:
        """Return an execution context; a small one has memory for its profile alone."""
        options: list[Any] = []
        if self._records_itself:
            config = self._engine.create_runtime_config()
            config.cuda_graph_strategy = self._api.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            options = [config]
        elif is_small:
            options = [self._api.ExecutionContextAllocationStrategy.ON_PROFILE_CHANGE]
        context = self._engine.create_execution_context(*options)
        self._refuse(context is None, 'to get memory for its profiles')
        done = context.set_optimization_profile_async(profile, self.driver.stream)
        self._refuse(not done, f'to have a profile {profile}')
        self.driver.synchronise()
        return context

    def _refuse(self, is_failure: bool, expected: str) -> None:
        """Raise what TensorRT only logs."""
        if not is_failure:
            return
        said = ' '.join(' '.join(self._log.errors).split()) or 'no reason given'
        self._log.errors.clear()
        identity = self._identity
        raise EngineError(
            f'{self._path}: expected {expected} in {identity.flavour} {identity.version}, but '
            f'{said}; end other programs on the GPU, or build the engine anew by `spatialllm '
            f'build-engine {self._path.parent.parent}`'
        )
