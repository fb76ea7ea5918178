"""How large the values get that a decoder multiplies with its weights, on questions about worlds.

Formats with few exponents scale activations by that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper
from tqdm import tqdm

from spatialllm_ros.deploy.products import left_sides, product_weights
from spatialllm_ros.errors import ConfigError, QuestionError
from spatialllm_ros.evaluation.asked_worlds import asked_worlds
from spatialllm_ros.runtime.answering import Outcome, Request
from spatialllm_ros.runtime.bundle import DECODER, VISION, Bundle, DecoderSpec
from spatialllm_ros.runtime.engines.base import DecoderContext, Floats, Span
from spatialllm_ros.runtime.engines.onnx_contexts import failures_named
from spatialllm_ros.runtime.engines.onnx_engine import CPU
from spatialllm_ros.runtime.engines.spans import check_room, static_inputs
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.schema import Query

Peaks = Mapping[str, float]
"""Greatest magnitudes by the name of a product's left side."""

WORLDS = range(32)
"""Seeds of training worlds: the gate asks about others."""
PEAK = '.peak'


def product_peaks(bundle: Bundle) -> dict[str, float]:
    """Answer questions about ``WORLDS`` and return what was met.

    Raises:
        ConfigError: the bundle's cache grows, its operators are too old for what needs peaks; or
            most questions cannot be read.
        SceneError: there is no OpenGL to draw with.
    """
    if bundle.manifest.decoder.flavour != 'static24':
        raise ConfigError(
            f'expected a bundle of the flavour static24, found {bundle.manifest.decoder.flavour}; '
            'export it so, or take int8'
        )
    image = bundle.manifest.image
    engine = _PeakEngine(bundle)
    session = SpatialSession(bundle, engine)
    worlds = asked_worlds(WORLDS, (image.width_px, image.height_px))
    outcomes: list[Outcome] = []
    for world in tqdm(worlds, total=len(WORLDS), unit='world', desc='greatest values'):
        requests = [Request(Query(record.question, record.options)) for record in world.records]
        outcomes += session.answer_batch(session.encode(world.frame), requests)
    _check_read(bundle, outcomes)
    return engine.peaks


def _check_read(bundle: Bundle, outcomes: Sequence[Outcome]) -> None:
    """Refuse to know values by questions of which most were not even read."""
    refused = [outcome for outcome in outcomes if isinstance(outcome, QuestionError)]
    if not outcomes or len(refused) > len(outcomes) / 2:
        raise ConfigError(
            f'expected questions that {bundle.folder} can read, to see how large its values get, '
            f'found {len(outcomes) - len(refused)} of {len(outcomes)}: {[*refused, None][0]}'
        )


class _PeakEngine:
    """Computes on a CPU what any engine does, and notes the greatest values."""

    name = 'greatest values'

    def __init__(self, bundle: Bundle) -> None:
        model = onnx.load(bundle.path(DECODER), load_external_data=False)
        weights = {weight.name for weight in product_weights(model)}
        self.peaks = dict.fromkeys(left_sides(model, weights), 0.0)
        _give_peaks(model, self.peaks)
        options = ort.SessionOptions()
        options.log_severity_level = 3  # caches are copied here, which is warned of each time
        options.add_session_config_entry(
            'session.model_external_initializers_file_folder_path', str(bundle.folder)
        )
        self._spec = bundle.manifest.decoder
        self._vision = ort.InferenceSession(bundle.path(VISION), providers=[CPU])
        self._decoder = ort.InferenceSession(model.SerializeToString(), options, [CPU])

    def embed_image(self, pixel_values: Floats, camera_features: Floats) -> Floats:
        """See ``Engine.embed_image``."""
        inputs = {'pixel_values': pixel_values, 'camera_features': camera_features}
        tokens: Floats = self._vision.run(['image_tokens'], inputs)[0][0]
        return tokens

    def new_context(self) -> DecoderContext:
        """See ``Engine.new_context``."""
        return _PeakContext(self._decoder, self._spec, self.peaks)


class _PeakContext:
    """A cache that is copied with each span, for it need not be fast."""

    def __init__(
        self, decoder: ort.InferenceSession, spec: DecoderSpec, peaks: dict[str, float]
    ) -> None:
        self._decoder, self._peaks = decoder, peaks
        self.length, self.capacity = 0, spec.context
        empty = np.zeros((1, spec.kv_heads, spec.context, spec.head_size), np.float32)
        self._cache = dict.fromkeys(spec.cache_names(), empty)

    def append(self, span: Span) -> Floats:
        """See ``DecoderContext.append``."""
        check_room(span, self.length, self.capacity)
        past = {f'past_{name}': values for name, values in self._cache.items()}
        inputs = static_inputs(span, self.length, self.capacity) | past
        names = [output.name for output in self._decoder.get_outputs()]
        with failures_named('the decoder graph'):
            found = dict(zip(names, self._decoder.run(names, inputs), strict=True))
        self._cache = {name: found[f'present_{name}'] for name in self._cache}
        for name, peak in self._peaks.items():
            self._peaks[name] = max(peak, float(found[f'{name}{PEAK}']))
        self.length += len(span.positions)
        logits: Floats = found['logits'][0]
        return logits

    def rewind(self, length: int) -> None:
        """See ``DecoderContext.rewind``."""
        self.length = min(length, self.length)


def _give_peaks(model: onnx.ModelProto, names: Iterable[str]) -> None:
    """Add an output for each value: its greatest magnitude."""
    for name in names:
        wide, sizes, peak = f'{name}.wide', f'{name}.sizes', f'{name}{PEAK}'
        model.graph.node.extend([
            helper.make_node('Cast', [name], [wide], to=TensorProto.FLOAT),
            helper.make_node('Abs', [wide], [sizes]),
            helper.make_node('ReduceMax', [sizes], [peak], keepdims=0),
        ])  # fmt: skip
        model.graph.output.append(helper.make_tensor_value_info(peak, TensorProto.FLOAT, []))
