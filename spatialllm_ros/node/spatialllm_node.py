"""The lifecycle node: parameters, transitions and diagnostics; everything else is elsewhere."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from spatialllm_ros.errors import ConfigError, SpatialLLMError
from spatialllm_ros.node.ask_interfaces import AskInterfaces
from spatialllm_ros.node.configured import Configured, SessionLoader, load_session
from spatialllm_ros.node.diagnostics import PERIOD, diagnostic_array, model_status, told_name
from spatialllm_ros.node.messages import NANOSECONDS
from spatialllm_ros.node.node_names import NODE_NAME
from spatialllm_ros.node.parameter_server import ParameterServer
from spatialllm_ros.node.parameters import NodeParameters


class SpatialLLMNode(LifecycleNode):
    """Answers questions in words about what cameras see.

    ``configure`` loads and warms the model and offers the interfaces, ``activate`` reads the
    cameras and answers, ``deactivate`` ends what runs as cancelled, ``cleanup`` frees the model.
    The interfaces then stay, and refuse, so that no caller is left without a reply.
    """

    def __init__(self, load: SessionLoader = load_session, **node_options: Any) -> None:
        """Declare the parameters.

        Args:
            load: opens the model that the parameters name.
            node_options: of ``rclpy.node.Node``.

        Raises:
            ConfigError: names every parameter that cannot be used.
        """
        try:
            super().__init__(
                NODE_NAME, automatically_declare_parameters_from_overrides=True, **node_options
            )
        except ValueError as error:  # rclpy tells no type from an empty list
            raise ConfigError(
                f'expected a value for each parameter, found an empty one; camera_names needs at '
                f'least one name: {error}'
            ) from error
        self._load = load
        self._configured: Configured | None = None
        self._interfaces: AskInterfaces | None = None  # from the first ``configure`` on
        self._state, self._problem = 'unconfigured', ''
        self._parameter_server = ParameterServer(
            self, may_change=lambda: self._configured is None, on_change=self._apply
        )
        parameters = self._parameter_server.read()
        self.autostart = parameters.autostart
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._diagnostics_timer = self.create_timer(
            parameters.diagnostics_period_s,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),  # simulated time may stand still
        )

    def start(self) -> bool:
        """Configure and activate, and tell whether both succeeded."""
        self.trigger_configure()
        if self._state == 'inactive':
            self.trigger_activate()
        return self._state == 'active'

    def stop(self) -> int:
        """End what runs, and return how many callers have still to be told: by spinning on."""
        if self._configured is None:
            return 0
        self._configured.deactivate()
        waiting = self._interfaces.waiting if self._interfaces is not None else 0
        return self._configured.open_questions + waiting

    def on_configure(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; refuse, with the reason in the log, where it cannot be used."""
        result = self._transition('inactive', self._configure)
        if result != TransitionCallbackReturn.SUCCESS:
            gc.collect()  # of a model that was loaded already
        return result

    def on_activate(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Read the cameras and answer."""
        return self._transition('active', self._held.activate)

    def on_deactivate(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Stop to read the cameras and end every question as cancelled."""
        return self._transition('inactive', self._held.deactivate)

    def on_cleanup(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and all that belongs to it; the ways to ask stay, and refuse."""
        return self._transition('unconfigured', self._release)

    def on_shutdown(self, _: LifecycleState) -> TransitionCallbackReturn:
        """End what runs; the interfaces stay until the process ends, and refuse."""
        return self._transition('finalized', self.stop)

    def on_error(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Free everything after a transition that went wrong; why it did is still told."""
        return self._transition('unconfigured', self._release, self._problem)

    @property
    def _held(self) -> Configured:
        assert self._configured is not None, 'the life cycle configures before it activates'
        return self._configured

    def _apply(self, parameters: NodeParameters) -> None:
        """Let live parameters have their effect."""
        period_ns = round(parameters.diagnostics_period_s * NANOSECONDS)
        if self._diagnostics_timer.timer_period_ns != period_ns:
            self._diagnostics_timer.timer_period_ns = period_ns
            self._diagnostics_timer.reset()  # or the period that has begun would end as before
        if self._configured is not None:
            self._configured.apply(parameters)

    def _configure(self) -> None:
        self._configured = Configured(self, self._parameter_server.read(), self._load)
        self._interfaces = self._interfaces or AskInterfaces(self)
        held = self._held
        self._interfaces.serve(held.asker, held.transforms, held.watches)
        # What is there now stays: looking through all of it for garbage stops every thread for
        # a tenth of a second.
        gc.collect()
        gc.freeze()
        self.get_logger().info(f'the model runs by {self._held.engine_name}')

    def _release(self) -> None:
        if self._interfaces is not None:
            self._interfaces.rest()
        if self._configured is not None:
            self._configured.deactivate()
            self._configured.close()
            self._configured = None
            gc.unfreeze()
            self._free_model()

    def _free_model(self) -> None:
        """Free the model: what answers refers to itself in circles.

        Until its next turn the executor holds what it has just waited for, which leads there, too.
        """
        if self.executor is None:
            gc.collect()
        else:
            self.executor.create_task(gc.collect)

    def _transition(
        self, state: str, step: Callable[[], object], problem: str = ''
    ) -> TransitionCallbackReturn:
        """Take a step and be in another state, in which there is a problem."""
        try:
            step()
        except SpatialLLMError as error:
            self._problem = str(error)
            self.get_logger().error(self._problem)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            # rclpy turns this into the error state without a word.
            self.get_logger().fatal(traceback.format_exc())
            self._problem = f'expected to become {state}, found {error!r}; see the log'
            return TransitionCallbackReturn.ERROR
        self._state, self._problem = state, problem
        return TransitionCallbackReturn.SUCCESS

    def _publish_diagnostics(self) -> None:
        message = f'{self._state}: {self._problem}' if self._problem else self._state
        if self._configured is None:
            period = {PERIOD: self._diagnostics_timer.timer_period_ns / NANOSECONDS}
            name = told_name(self.get_fully_qualified_name())
            statuses = [model_status(name, message, period, {})]
        else:
            statuses = self._configured.statuses(message)
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostic_array(stamp, statuses))
