"""The ROS 2 node: wiring between camera topics, callers and the runtime."""
