"""What the nodes of a ROS graph offer and use. Only tests read it."""

from contextlib import suppress


def graph_of(ros_node, name, namespace='/'):
    """Return a node's entities, {(role, name): type}; an action counts once."""
    if (name, namespace) not in ros_node.get_node_names_and_namespaces():
        return {}
    reads = {
        'publish': ros_node.get_publisher_names_and_types_by_node,
        'subscribe': ros_node.get_subscriber_names_and_types_by_node,
        'reply': ros_node.get_service_names_and_types_by_node,
        'request': ros_node.get_client_names_and_types_by_node,
    }
    found = {}
    for role, read in reads.items():
        for entity, (kind,) in read(name, namespace):
            action, _, part = entity.partition('/_action/')
            if not part:
                found[role, entity] = kind
            elif part == 'send_goal':
                goal_role = 'execute' if role == 'reply' else 'call'
                found[goal_role, action] = kind.removesuffix('_SendGoal')
    return found


def settles(peer, read, expected):
    """Assert that something read from the graph, which grows piece by piece, becomes this."""
    with suppress(AssertionError):
        peer.until(lambda: read() == expected)
    found = read()
    assert found == expected, set(found) ^ set(expected)
