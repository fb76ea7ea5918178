"""From a camera frame and a question in words to an answer: no ROS, no torch."""
