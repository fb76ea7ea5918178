"""Asks what has no end, and waits for the answer. Only tests start it, and kill it.

python test/node/vanishing_client.py action|service DOMAIN
"""

import sys

import rclpy
from rclpy.action import ActionClient

from spatialllm_msgs.action import AskSpatial
from spatialllm_msgs.srv import AskSpatial as AskOnce

QUESTION = 'talk without end'


def main(how, domain):
    rclpy.init(domain_id=int(domain))
    node = rclpy.create_node('vanishing')
    if how == 'action':
        action = ActionClient(node, AskSpatial, '/spatialllm/ask')
        action.wait_for_server()
        action.send_goal_async(AskSpatial.Goal(question=QUESTION))
    else:
        service = node.create_client(AskOnce, '/spatialllm/ask_once')
        service.wait_for_service()
        service.call_async(AskOnce.Request(question=QUESTION))
    rclpy.spin(node)


if __name__ == '__main__':
    main(*sys.argv[1:])
