"""Declares the node's parameters to ROS, with descriptors, and reads them back as records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.validate_full_topic_name import validate_full_topic_name

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.node.camera_input import image_topic, info_topic
from spatialllm_ros.node.parameters import (
    CameraParameters,
    NodeParameters,
    Specification,
    Value,
    build,
    camera_specifications,
    check_topics,
    node_specifications,
)

ROS_OWN = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')
"""Parameters that every node has, or beginnings of their names."""


class ParameterServer:
    """The node's parameters as ROS has them.

    Those that are live may be changed at any time, the others only while ``may_change`` says so;
    what was set to something impossible, or does not exist, is refused with the reason.
    """

    def __init__(
        self,
        node: Node,
        may_change: Callable[[], bool],
        on_change: Callable[[NodeParameters], None],
    ) -> None:
        """Take over a node's parameters.

        Args:
            node: made with ``automatically_declare_parameters_from_overrides``, so that names
                which do not exist are seen; ROS alone passes over them in silence.
            may_change: whether a change of what is not live can still have its effect.
            on_change: told the parameters after each change.

        Raises:
            ConfigError: names every parameter that cannot be used.
        """
        self._node = node
        self._may_change, self._on_change = may_change, on_change
        given = self._values()
        self._known = known = specifications(build(given))
        for name in given:
            node.undeclare_parameter(name)
        for name, spec in known.items():
            default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
            node.declare_parameter(name, default, descriptor(spec))
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._tell)

    def read(self) -> NodeParameters:
        """Return the parameters as they are now.

        Raises:
            ConfigError: names every topic that a camera cannot have.
        """
        parameters = build(self._values())
        check_topics(parameters.cameras)
        check_names(self._node, parameters.cameras)
        return parameters

    def _values(self) -> dict[str, Value]:
        found = self._node.get_parameters_by_prefix('')
        return {
            name: _value(parameter)
            for name, parameter in found.items()
            if not name.startswith(ROS_OWN)
        }

    def _check(self, changes: list[Parameter]) -> SetParametersResult:
        own = {p.name: _value(p) for p in changes if not p.name.startswith(ROS_OWN)}
        current = self._values()
        try:
            build(current | own)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        changed = [name for name, value in own.items() if value != current[name]]
        late = [name for name in changed if not self._known[name].is_live]
        if late and not self._may_change():
            words = 'read when the node is configured: deactivate and clean up first'
            return SetParametersResult(successful=False, reason=f'{", ".join(late)}: {words}')
        return SetParametersResult(successful=True)

    def _tell(self, changes: list[Parameter]) -> None:
        if any(parameter.name in self._known for parameter in changes):
            self._on_change(build(self._values()))


def check_names(node: Node, cameras: Sequence[CameraParameters]) -> None:
    """Refuse topics that ROS has no such names for.

    Raises:
        ConfigError: names them all.
    """
    problems = [
        f"{camera.name}.{parameter}: expected a topic's name, found {topic!r}: {problem}"
        for camera in cameras
        for parameter, topic in _topics(camera).items()
        if (problem := _name_problem(node, topic))
    ]
    if problems:
        raise ConfigError('; '.join(problems))


def _topics(camera: CameraParameters) -> dict[str, str]:
    """Return the topics that a camera is read from, by the parameter that names them."""
    depth = {'depth_topic': camera.depth_topic} if camera.depth_topic else {}
    return {'image_topic': image_topic(camera), 'info_topic': info_topic(camera), **depth}


def _name_problem(node: Node, topic: str) -> str:
    """Say what is wrong with a topic's name; empty where all is well."""
    try:
        name = expand_topic_name(topic, node.get_name(), node.get_namespace())
        validate_full_topic_name(name)
    except (NameValidationException, ValueError) as error:
        return str(error).partition('\n')[0].rstrip(':')  # the others point at the place
    return ''


def specifications(parameters: NodeParameters) -> dict[str, Specification]:
    """Return what the parameters of the node and of its cameras may be, by name."""
    known = node_specifications()
    for camera in parameters.camera_names:
        known.update(camera_specifications(camera))
    return known


def descriptor(spec: Specification) -> ParameterDescriptor:
    """Describe a parameter as ``ros2 param describe`` shows it."""
    unit = f' ({spec.unit})' if spec.unit else ''
    described = ParameterDescriptor(
        description=f'{spec.description}{unit}',
        additional_constraints=spec.expected,
        read_only=spec.is_fixed,
    )
    if isinstance(spec.default, float):
        described.floating_point_range = [
            FloatingPointRange(from_value=spec.minimum, to_value=spec.maximum)
        ]
    elif spec.minimum is not None:
        described.integer_range = [IntegerRange(from_value=spec.minimum, to_value=spec.maximum)]
    return described


def _value(parameter: Parameter) -> Value:
    value = parameter.value
    return tuple(value) if isinstance(value, list) else value
