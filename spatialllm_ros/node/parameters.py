"""Every parameter of the node, once: type, default, unit, range and meaning.

Imports no ROS: ``parameter_server`` declares these to it, and the guide's table is printed by
``python -m spatialllm_ros.node.parameters``. Nothing else holds a default.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.frame_store import ALL_CAMERAS
from spatialllm_ros.runtime.opening import AUTO, ENGINE_NAMES

Value = bool | int | float | str | tuple[str, ...]

KINDS = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a decimal number',
    str: 'text',
    tuple: 'a list of text',
}
"""The types of parameters, in words."""

CAMERA_NAME = re.compile(r'[a-z][a-z0-9_]*')


@dataclass(frozen=True)
class Specification:
    """What a parameter may be and what it means.

    Attributes:
        unit: of the value; empty where it has none.
        minimum, maximum: inclusive; None for a parameter that is not a number.
        choices: the only values that are accepted; empty where any is.
        is_fixed: whether it can be given only at start.
        is_live: whether a change has its effect at once; otherwise when the node is configured.
    """

    default: Value
    description: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    is_fixed: bool = False
    is_live: bool = False

    @property
    def when(self) -> str:
        """When the value is read, in words."""
        if self.is_fixed:
            return 'at start'
        return 'at once' if self.is_live else 'when configured'

    @property
    def expected(self) -> str:
        """What is accepted, in words (``a decimal number from 0.1 to 60.0 s``)."""
        if self.choices:
            return 'one of ' + ', '.join(self.choices)
        kind = KINDS[type(self.default)]
        if self.minimum is None:
            return kind
        return f'{kind} from {self.minimum} to {self.maximum} {self.unit}'.rstrip()

    def accepts(self, value: Value) -> bool:
        """Tell whether a value has the default's type and is within range and choices."""
        if type(value) is not type(self.default):
            return False
        if self.choices:
            return value in self.choices
        if self.minimum is None or self.maximum is None:
            return True
        return isinstance(value, int | float) and self.minimum <= value <= self.maximum


def _parameter(default: Value, description: str, **limits: Any) -> Any:
    specification = Specification(default, description, **limits)
    return field(default=default, metadata={'specification': specification})


@dataclass(frozen=True)
class CameraParameters:
    """Where one camera's images come from and what is known of it; prefixed by its name."""

    name: str
    image_topic: str = _parameter('image', 'base topic of the images, as image_transport has it')
    info_topic: str = _parameter(
        '', 'topic of the intrinsics; empty: `camera_info` beside the image topic'
    )
    transport: str = _parameter(
        'raw',
        '`compressed` reads JPEG and PNG from `<image_topic>/compressed`',
        choices=('raw', 'compressed'),
    )
    depth_topic: str = _parameter(
        '', 'topic of raw depth images, registered to the images; empty for none'
    )
    depth_tolerance_s: float = _parameter(
        0.05,
        'how far the stamps of an image and of its depth image may be apart',
        unit='s',
        minimum=0.0,
        maximum=10.0,
    )
    depth_images_kept: int = _parameter(
        16,
        'depth images among which that of an image must still be when its answer is there',
        minimum=1,
        maximum=256,
    )
    is_rectified: bool = _parameter(
        False, 'the images are rectified: take the intrinsics from P instead of K'
    )
    field_of_view_deg: float = _parameter(
        60.0,
        'horizontal, assumed while no intrinsics are known; a guess, so metres stay refused',
        unit='degrees',
        minimum=10.0,
        maximum=170.0,
    )
    gravity_from: str = _parameter(
        'nothing',
        'how the direction of gravity is known: from `pitch_deg` and `roll_deg`, or from TF',
        choices=('nothing', 'angles', 'tf'),
    )
    pitch_deg: float = _parameter(
        0.0,
        'how far the camera looks below the horizon',
        unit='degrees',
        minimum=-90.0,
        maximum=90.0,
    )
    roll_deg: float = _parameter(
        0.0,
        'how far the camera is turned clockwise about its viewing direction',
        unit='degrees',
        minimum=-180.0,
        maximum=180.0,
    )
    gravity_frame: str = _parameter(
        'base_link', 'TF frame whose z axis points up, for `gravity_from: tf`'
    )
    encode_ahead_hz: float = _parameter(
        0.0,
        'how often a new image is encoded before anybody asks; 0 for never',
        unit='Hz',
        minimum=0.0,
        maximum=60.0,
        is_live=True,
    )


@dataclass(frozen=True)
class NodeParameters:
    """The node's parameters and those of its cameras, in the order of ``camera_names``."""

    cameras: tuple[CameraParameters, ...]
    bundle: str = _parameter('nano', 'the model: a bundle folder, or the name of a shipped one')
    engine: str = _parameter(
        AUTO,
        'what computes: `auto` takes the fastest that is there, `remote` asks a server',
        choices=ENGINE_NAMES,
    )
    allow_fallback: bool = _parameter(
        False, 'take the next best engine where this one cannot be loaded'
    )
    server_url: str = _parameter(
        '', "for `engine: remote`: the base of a server with OpenAI's chat completions"
    )
    server_model: str = _parameter('', "for `engine: remote`: the model's name there")
    autostart: bool = _parameter(
        True, 'configure and activate at start, without being asked', is_fixed=True
    )
    camera_names: tuple[str, ...] = _parameter(
        ('camera',),
        'names by which questions call the cameras; the first is the default one',
        is_fixed=True,
    )
    max_frame_age_s: float = _parameter(
        1.0,
        'oldest image to answer from, where a request names no limit of its own',
        unit='s',
        minimum=0.05,
        maximum=3600.0,
        is_live=True,
    )
    answer_timeout_s: float = _parameter(
        10.0,
        'a question without an answer after this long ends as TIMEOUT',
        unit='s',
        minimum=0.1,
        maximum=600.0,
        is_live=True,
    )
    max_waiting_questions: int = _parameter(
        32, 'questions beyond these are refused as BUSY', minimum=1, maximum=1024, is_live=True
    )
    max_batch: int = _parameter(
        8, 'questions on one image that are answered at once', minimum=1, maximum=64, is_live=True
    )
    watches_file: str = _parameter(
        '', 'YAML file with the standing questions to begin with; empty for none'
    )
    watch_hz: float = _parameter(
        2.0,
        'how often, at least, a new image of a camera with standing questions is looked at',
        unit='Hz',
        minimum=0.01,
        maximum=60.0,
        is_live=True,
    )
    watch_hold_frames: int = _parameter(
        2,
        'a changed answer to a standing question is published after so many images in a row',
        minimum=1,
        maximum=100,
        is_live=True,
    )
    watch_min_confidence: float = _parameter(
        0.6,
        'less confident closed answers do not change what is published',
        minimum=0.0,
        maximum=1.0,
        is_live=True,
    )
    watch_refresh_s: float = _parameter(
        1.0,
        'an unchanged answer to a standing question is published anew at most so often',
        unit='s',
        minimum=0.0,
        maximum=3600.0,
        is_live=True,
    )
    cpu_threads: int = _parameter(
        0, 'of the computation, where a CPU does it; 0 for one per core', minimum=0, maximum=256
    )
    max_image_side_px: int = _parameter(
        4096, 'larger images are dropped', unit='pixels', minimum=16, maximum=16384
    )
    use_cv_bridge: bool = _parameter(
        False, 'convert raw images by cv_bridge instead of NumPy and OpenCV'
    )
    diagnostics_period_s: float = _parameter(
        1.0,
        'how often `/diagnostics` is published',
        unit='s',
        minimum=0.1,
        maximum=60.0,
        is_live=True,
    )


def node_specifications() -> dict[str, Specification]:
    """Return what the node's own parameters may be, by parameter name."""
    return _specifications(NodeParameters, '')


def camera_specifications(camera: str) -> dict[str, Specification]:
    """Return what one camera's parameters may be, by parameter name."""
    return _specifications(CameraParameters, f'{camera}.')


def _specifications(record: type, prefix: str) -> dict[str, Specification]:
    return {
        prefix + parameter.name: parameter.metadata['specification']
        for parameter in fields(record)
        if 'specification' in parameter.metadata
    }


def name_problems(camera_names: tuple[str, ...]) -> list[str]:
    """Say what is wrong with a list of camera names, one sentence each."""
    taken = node_specifications()
    problems = [
        f'camera_names: expected lower-case letters, digits and underscores, found {name!r}'
        for name in camera_names
        if not CAMERA_NAME.fullmatch(name)
    ]
    problems += [
        f'camera_names: {name!r} is a parameter' for name in camera_names if name in taken
    ]
    if ALL_CAMERAS in camera_names:
        problems.append(f'camera_names: {ALL_CAMERAS!r} stands for every camera')
    if not camera_names or len(set(camera_names)) < len(camera_names):
        problems.append(
            f'camera_names: expected at least one name, each once, found {camera_names}'
        )
    return problems


def check_topics(cameras: tuple[CameraParameters, ...]) -> None:
    """Refuse image topics that no camera can have.

    Raises:
        ConfigError: names them all.
    """
    problems = []
    for index, camera in enumerate(cameras):
        topic = camera.image_topic
        if topic in {other.image_topic for other in cameras[:index]}:
            problems.append(f'{camera.name}.image_topic: another camera has {topic!r} too')
        if not topic.strip('/') or topic.endswith('/compressed'):
            problems.append(
                f'{camera.name}.image_topic: expected the base topic (the transport is a '
                f'parameter of its own), found {topic!r}'
            )
    if problems:
        raise ConfigError('; '.join(problems))


def build(values: Mapping[str, Value]) -> NodeParameters:
    """Make the records from values by parameter name; what is not named keeps its default.

    Raises:
        ConfigError: names every value that is out of range, every bad camera name and every
            parameter that does not exist.
    """
    names = values.get('camera_names', NodeParameters.camera_names)
    camera_names = names if isinstance(names, tuple) else ()
    known = node_specifications()
    for camera in camera_names:
        known.update(camera_specifications(camera))
    problems = name_problems(camera_names)
    problems += [
        f'{name}: there is no such parameter{_likely_name(name, known)}'
        for name in values
        if name not in known
    ]
    problems += [
        f'{name}: expected {known[name].expected}, found {value!r}'
        f'{_other_spelling(known[name], value)}'
        for name, value in values.items()
        if name in known and not known[name].accepts(value)
    ]
    if problems:
        raise ConfigError('; '.join(problems))
    own: dict[str, Any] = {n: values[n] for n in node_specifications() if n in values}
    cameras = tuple(_camera(name, values) for name in camera_names)
    return NodeParameters(cameras=cameras, **own)


def _likely_name(name: str, known: Iterable[str]) -> str:
    return ''.join(f'; is it {near}?' for near in get_close_matches(name, known, n=1))


def _other_spelling(spec: Specification, value: Value) -> str:
    """Say how a number would be accepted that only lacks its decimals, or has too many."""
    kind = type(spec.default)
    if kind not in (int, float) or isinstance(value, bool) or not isinstance(value, int | float):
        return ''
    if not math.isfinite(value) or kind(value) != value or not spec.accepts(kind(value)):
        return ''
    return f'; write {kind(value)}'


def _camera(camera: str, values: Mapping[str, Value]) -> CameraParameters:
    own: dict[str, Any] = {
        name.removeprefix(f'{camera}.'): values[name]
        for name in camera_specifications(camera)
        if name in values
    }
    return CameraParameters(name=camera, **own)


def table() -> str:
    """Return the guide's table of parameters, in Markdown."""
    rows = ['| parameter | default | accepts | read | meaning |', '|---|---|---|---|---|']
    for name, spec in (node_specifications() | camera_specifications('<camera>')).items():
        default = _as_yaml(spec.default)
        row = (f'`{name}`', f'`{default}`', spec.expected, spec.when, spec.description)
        rows.append(f'| {" | ".join(row)} |')
    return '\n'.join(rows)


def _as_yaml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f'[{", ".join(value)}]'
    return str(value) or "''"


if __name__ == '__main__':
    print(table())
