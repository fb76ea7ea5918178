"""Questions at random, in every way to ask: each ends in a reply, and is counted. Real DDS.

SPATIALLLM_FUZZ_QUESTIONS=5000 python -m pytest -s test/node/test_fuzz_questions.py
"""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from at_random import text, whole_number
from builtin_interfaces.msg import Duration
from rclpy.qos import QoSProfile
from std_msgs.msg import String

from spatialllm_msgs.msg import SpatialAnswer, Status, Watch
from spatialllm_msgs.srv import AskSpatial as AskOnce
from spatialllm_msgs.srv import Locate, SetWatches

QUESTIONS = int(os.environ.get('SPATIALLLM_FUZZ_QUESTIONS', '150'))
SEED = int(os.environ.get('SPATIALLLM_FUZZ_SEED', '0'))

SHIPPED_NODE = Path(__file__).parents[2] / 'spatialllm_ros/node/main.py'
CROWD, DEEP = 8, QoSProfile(depth=100)
"""No more at once: of replies to goals, a client keeps ten that it has not taken yet."""

YES_NO = {'question': 'is there a red car?', 'options': ['yes', 'no']}


def question(chance, number):
    """A question with its options, camera and limit, some of them out of bounds."""
    good = f'is there a {chance.choice(("red", "blue"))} {chance.choice(("car", "mug"))}?'
    asked = chance.choice(
        (good, 'where is the red car?', f'{text(chance)} {number}', text(chance))
    )
    options = chance.choice(
        (
            [],
            [],
            ['yes', 'no'],
            ['yes', 'yes'],
            [text(chance, 3) for _ in range(chance.randrange(20))],
        )
    )
    camera = chance.choice(('', 'raw', 'files', 'all', 'raw,files', 'raw, ,', text(chance, 2)))
    limit = Duration(
        sec=whole_number(chance, 2**32 - 1) - 2**31, nanosec=whole_number(chance, 2**32 - 1)
    )
    return {
        'question': asked, 'options': options, 'camera': camera,
        'max_frame_age': chance.choice((Duration(), Duration(sec=5), limit)),
    }  # fmt: skip


def watches(chance):
    names = ('a', 'b', 'a_b', 'A', '', '_', 'x' * 65, text(chance, 2))
    return [
        Watch(
            name=chance.choice(names),
            question=text(chance),
            camera=chance.choice(('', 'raw', 'x')),
        )
        for _ in range(whole_number(chance, 40) % 41)
    ]


class Crowd:
    """Asks in every way, a batch at a time, and counts how that ended."""

    def __init__(self, peer):
        self._peer, self._node = peer, peer.node
        self._ask, self._locate, self._watch = (
            self._node.create_client(kind, f'/spatialllm/{name}', qos_profile=DEEP)
            for kind, name in (
                (AskOnce, 'ask_once'), (Locate, 'locate'), (SetWatches, 'set_watches')
            )
        )  # fmt: skip
        self._topic = self._node.create_publisher(String, '/spatialllm/question', DEEP)
        self.by_topic, self.said, self.ended = 0, [], Counter()
        for kind, name in ((SpatialAnswer, 'answer'), (String, 'refused')):
            self._node.create_subscription(kind, f'/spatialllm/{name}', self.said.append, DEEP)
        for client in (self._ask, self._locate, self._watch):
            assert client.wait_for_service(30.0)
        peer.until(self._topic.get_subscription_count)

    def ask(self, chance, numbers):
        """Ask a question for each number, and wait until each has ended."""
        replies, goals = [], []
        for number in numbers:
            way = chance.random()
            self._peer.asked += way < 0.2 or way >= 0.4  # goals are counted by the peer
            if way < 0.1:
                self._topic.publish(String(data=text(chance)))
                self.by_topic += 1
            elif way < 0.2:
                phrase = {'phrase': text(chance, 4), 'target_frame': text(chance, 2)}
                replies.append(self._locate.call_async(Locate.Request(**phrase)))
            elif way < 0.4:
                goals.append(self._peer.send_goal(**question(chance, number))[0])
                if chance.random() < 0.3:
                    self._peer.run(goals[-1].cancel_goal_async)
            else:
                replies.append(self._ask.call_async(AskOnce.Request(**question(chance, number))))
        for reply in replies:
            self.ended[self._peer.result(reply).status] += 1
        for goal in goals:
            self.ended[self._peer.request(goal.get_result_async).result.status] += 1
        self._peer.until(lambda: len(self.said) >= self.by_topic)

    def watch(self, chance):
        request = SetWatches.Request(watches=watches(chance))
        response = self._peer.result(self._watch.call_async(request))
        assert response.status in {Status.OK, Status.BAD_QUESTION, Status.UNKNOWN_CAMERA}


def test_questions_at_random(start_node, peer, accounts):
    start_node(
        SHIPPED_NODE, camera_names='[raw, files]', files__image_topic='/files/image',
        raw__image_topic='/raw/image', max_waiting_questions=6,
    )  # fmt: skip
    chance, crowd = random.Random(SEED), Crowd(peer)
    with peer.filming(topic='/raw/image'):
        peer.ask_until(Status.OK, **YES_NO)
        before, _ = accounts()
        for first in range(0, QUESTIONS, CROWD):
            crowd.ask(chance, range(first, min(first + CROWD, QUESTIONS)))
            crowd.watch(chance)
        goals_and_replies = sum(crowd.ended.values())
        assert goals_and_replies + crowd.by_topic == QUESTIONS
        after, _ = accounts()
        assert sum(after.values()) - sum(before.values()) == QUESTIONS
        peer.ask_until(Status.OK, **YES_NO)
    print(after)
