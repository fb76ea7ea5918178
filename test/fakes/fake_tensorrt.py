"""TensorRT on a ``FakeCuda``, whose engines run ONNX graphs by ONNX Runtime.

Strict where the real one would be wrong or crash: sizes beyond a profile, tensors without an
address, an aliased tensor at two addresses or another one at one, recorded work whose context has
changed.
"""
# ruff: noqa: N802  (names of TensorRT)

import ctypes
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort

from spatialllm_ros.deploy.tensorrt_graphs import read_graphs
from spatialllm_ros.deploy.tensorrt_profiles import profile_shapes


class FakeContext:
    """An execution context; keeps which profiles ran.

    What was recorded of it must find it unchanged, and it has to run before it is recorded.
    """

    def __init__(self, engine):
        self.engine, self.shapes, self.addresses, self.profile = engine, {}, {}, None
        self.changes, self.ran_at = 0, None

    def set_optimization_profile_async(self, index, stream):
        self.profile = list(self.engine.profiles.values())[index]
        self.index = index
        return stream == 9

    def set_input_shape(self, name, shape):
        least, _, greatest = self.profile.get(name, (shape,) * 3)
        self.changes += 1
        self.shapes[name] = shape
        return all(a <= b <= c for a, b, c in zip(least, shape, greatest, strict=True))

    def get_tensor_shape(self, name):
        if name == 'logits':
            return (1, self.shapes['logit_indices'][1], self.engine.outputs[name][-1])
        return (1, *self.engine.outputs[name][1:])

    def set_tensor_address(self, name, address):
        self.changes += 1
        self.addresses[name] = address
        return address != 0

    def _view(self, name, shape):
        kind = self.engine.dtypes[name]
        nbytes = int(np.prod(shape)) * kind.itemsize
        assert self.engine.cuda.owns(self.addresses[name], nbytes), name
        raw = (ctypes.c_ubyte * nbytes).from_address(self.addresses[name])
        return np.frombuffer(raw, kind).reshape(shape)

    def execute_async_v3(self, stream):
        engine = self.engine
        if 'execute' in engine.api.broken:
            engine.log.log(engine.api.ILogger.Severity.ERROR, 'the kernel failed')
            return False
        changes = self.changes
        if engine.cuda.recording is None:
            self.ran_at = changes
            self._compute(changes)
        else:
            engine.cuda.is_spoilt |= self.ran_at != changes or 'recording' in engine.api.broken
            engine.cuda.recording.append(lambda: self._compute(changes))
            engine.log.log(engine.api.ILogger.Severity.ERROR, 'this cannot be recorded')
        return True

    def _compute(self, changes):
        engine = self.engine
        assert changes == self.changes
        engine.api.ran.append(self.index)
        for name in engine.outputs:
            past = name.replace('present', 'past')
            if past != name:
                together = self.addresses[name] == self.addresses[past]
                assert together == (engine.api.is_aliased and 'write_indices' in engine.inputs)
        feeds = {name: self._view(name, self.shapes[name]).copy() for name in engine.inputs}
        outputs = engine.session.run(list(engine.outputs), feeds)
        for name, values in zip(engine.outputs, outputs, strict=True):
            self._view(name, values.shape)[...] = values


class FakeEngine:
    """An engine whose tensors are those of the ONNX graph that its file names."""

    def __init__(self, api, log, role):
        self.api, self.log, self.cuda = api, log, api.cuda
        path = api.bundle.path(role)
        self.session = ort.InferenceSession(str(path), api.options, ['CPUExecutionProvider'])
        self.inputs = {item.name: item.shape for item in self.session.get_inputs()}
        self.outputs = {item.name: item.shape for item in self.session.get_outputs()}
        both = (*self.session.get_inputs(), *self.session.get_outputs())
        kinds = {'tensor(float)': np.float32, 'tensor(int64)': np.int64, 'tensor(bool)': np.bool_}
        self.dtypes = {item.name: np.dtype(kinds[item.type]) for item in both}
        self.profiles = api.profiles[role]
        self.num_optimization_profiles = len(self.profiles) + ('profiles' in api.broken)
        if api.is_aliased:
            self.get_aliased_input_tensor = self._aliased

    def _aliased(self, name):
        return name.replace('present', 'past') if 'write_indices' in self.inputs else None

    def get_tensor_dtype(self, name):
        return self.dtypes[name]

    def get_tensor_mode(self, name):
        return 'input' if name in self.inputs else 'output'

    def create_runtime_config(self):
        return SimpleNamespace(cuda_graph_strategy='none')

    def create_execution_context(self, option='static'):
        self.api.options_of_contexts.append(option)
        is_broken = 'context' in self.api.broken or (
            option == 'on profile change' and 'second context' in self.api.broken
        )
        return None if is_broken else FakeContext(self)


class FakeTensorRT:
    """The module; ``limits`` are those of its profiles, ``broken`` names what fails."""

    TensorIOMode = SimpleNamespace(INPUT='input', OUTPUT='output')
    ExecutionContextAllocationStrategy = SimpleNamespace(ON_PROFILE_CHANGE='on profile change')

    class ILogger:
        Severity = SimpleNamespace(ERROR=1)

    def __init__(self, bundle, cuda, limits, is_aliased=True, broken=()):
        self.bundle, self.cuda, self.broken, self.ran = bundle, cuda, broken, []
        self.is_aliased, self.options_of_contexts = is_aliased, []
        self.options = ort.SessionOptions()
        self.options.intra_op_num_threads = 1
        self.options.log_severity_level = 3  # the fake copies caches, which is warned of
        self.profiles = {
            graph.role: profile_shapes(graph, bundle.manifest, limits)
            for graph in read_graphs(bundle)
        }

    def nptype(self, kind):
        return kind.type

    def Runtime(self, log):
        def load(plan):
            if 'load' in self.broken:
                log.log(self.ILogger.Severity.ERROR, 'the plan is of\nanother version')
                return None
            return FakeEngine(self, log, plan.decode())

        return SimpleNamespace(deserialize_cuda_engine=load)
