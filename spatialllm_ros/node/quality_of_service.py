"""Subscriptions to sensor data: users may override their quality, and are told of mismatches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions

from spatialllm_ros.errors import ConfigError

Describe = Callable[[], str]
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""Who subscribes later still hears the newest message, of publishers that offer it."""
UNKNOWN_NAME = '_NODE_NAME_UNKNOWN_'
"""What rmw calls the node of a publisher until it has heard of it."""


def newest_only() -> QoSProfile:
    """Return the profile of sensor data: what was not taken before the next came is of no use."""
    return QoSProfile(
        depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT
    )


def subscribe_newest(
    node: Node,
    kind: Any,
    topic: str,
    take: Callable[[Any], None],
    on_mismatch: Callable[[Describe], None],
    on_match: Callable[[Any], None] | None = None,
) -> Any:
    """Subscribe to sensor data.

    Args:
        node: subscribes; its parameters ``qos_overrides.<topic>`` override the profile.
        kind: of the messages.
        topic: where they come from.
        take: receives each.
        on_mismatch: told of a publisher that offers less than is asked for; gets a function that
            says it in words, for the publisher's name may be known only a moment later.
        on_match: told when a publisher that fits has come or gone.

    Raises:
        ConfigError: the parameters ask for a quality of service that cannot be.
    """

    def warn(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        on_mismatch(lambda: mismatch(node, subscription, policy))

    try:
        subscription = node.create_subscription(
            kind,
            topic,
            take,
            newest_only(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=warn, matched=on_match),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
    except (InvalidQosOverridesError, ParameterException, RuntimeError, ValueError) as error:
        raise ConfigError(f'qos_overrides of {topic}: {error}') from error
    return subscription


def is_latched(node: Node, topic: str) -> bool:
    """Tell whether somebody keeps what was published on a topic for those who come later."""
    return any(
        info.qos_profile.durability == LATCHED.durability
        and info.qos_profile.reliability == LATCHED.reliability
        for info in node.get_publishers_info_by_topic(topic)
    )


def subscribe_latched(node: Node, kind: Any, topic: str, take: Callable[[Any], None]) -> Any:
    """Subscribe to what publishers keep, and to nothing else: those who keep nothing do not fit.

    Nobody is warned of them here, since ``subscribe_newest`` hears them.
    """
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    return node.create_subscription(kind, topic, take, LATCHED, event_callbacks=silent)


def mismatch(node: Node, subscription: Any, policy: str) -> str:
    """Say which publishers do not fit a subscription, what they offer and what it asks for."""
    topic = subscription.topic_name
    wanted = getattr(subscription.qos_profile, policy)
    offers = [
        f'{_publisher(info)} offers {_word(getattr(info.qos_profile, policy))}'
        for info in node.get_publishers_info_by_topic(topic)
        if getattr(info.qos_profile, policy) != wanted
    ]
    return (
        f'{topic}: {node.get_fully_qualified_name()} expected {policy} {_word(wanted)}, found '
        f'that {" and ".join(offers) or "a publisher offers less"}; nothing will come from there; '
        f'change the publisher, or qos_overrides.{topic}.subscription.{policy}'
    )


def _publisher(info: Any) -> str:
    if info.node_name == UNKNOWN_NAME:
        return 'a publisher'
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'


def _word(value: Any) -> str:
    return str(getattr(value, 'name', value)).lower()
