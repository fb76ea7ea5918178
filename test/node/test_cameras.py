"""Several cameras in one node: which one answers what. Real DDS, a scripted session."""

from contextlib import ExitStack

import pytest

pytest.importorskip('spatialllm_msgs.msg', reason='spatialllm_msgs is not built: make build')

from std_msgs.msg import String

from spatialllm_msgs.msg import SpatialAnswer, Status
from spatialllm_msgs.srv import Locate
from spatialllm_ros.node.asking import Reply, combined
from spatialllm_ros.node.messages import StatusCode
from spatialllm_ros.node.which_camera import asked_of_each, asks_which_camera
from spatialllm_ros.schema import Query

NAMES = ('front', 'left', 'rear')
YES_NO = ['yes', 'no']
BRIGHTNESS = {'front': 20, 'left': 220}


@pytest.fixture
def three_cameras(start_node, peer, grey_image):
    """A node with three cameras: front is dark, left is bright, rear never sends."""
    topics = {f'{name}__image_topic': f'/{name}/image' for name in NAMES}
    node = start_node(camera_names=f'[{", ".join(NAMES)}]', **topics)
    with ExitStack() as filmed:
        for name, value in BRIGHTNESS.items():
            image = grey_image(data=bytes([value] * 144))
            filmed.enter_context(peer.filming(image, topic=f'/{name}/image'))
            peer.ask_until(Status.OK, 'ready?', camera=name)
        yield node


def test_a_question_goes_to_one_camera_or_to_the_default_one(three_cameras, peer):
    assert peer.ask('what colour?').answer.text.startswith('mean colour 20 20 20')
    reply = peer.ask('what colour?', camera='left')
    assert reply.answer.text.startswith('mean colour 220 220 220')
    assert [one.camera for one in reply.cameras] == ['left']
    # As words, for an unmeasured depth is NaN, which equals nothing.
    assert str(reply.cameras[0].answer) == str(reply.answer)


def test_every_camera_that_is_named_answers_and_the_one_that_sees_it_wins(three_cameras, peer):
    reply = peer.ask('is it bright?', camera='front, left', options=YES_NO)
    assert (reply.status, reply.answer.camera, reply.answer.yes) == (Status.OK, 'left', True)
    assert reply.message == ''
    assert [(one.camera, one.answer.text) for one in reply.cameras] == [
        ('front', 'no'),
        ('left', 'yes'),
    ]


def test_a_camera_without_an_image_does_not_silence_the_others(three_cameras, peer):
    reply = peer.ask('is it bright?', camera='all', options=YES_NO)
    assert (reply.status, reply.message) == (Status.OK, 'could not be asked: rear')
    assert [(one.camera, one.status) for one in reply.cameras] == [
        ('front', Status.OK),
        ('left', Status.OK),
        ('rear', Status.NO_FRAME),
    ]
    assert "'rear'" in reply.cameras[2].message
    alone = peer.ask('is it bright?', camera='rear', options=YES_NO)
    assert alone.status == Status.NO_FRAME
    unknown = peer.ask('is it bright?', camera='left, belly', options=YES_NO)
    assert (unknown.status, unknown.cameras) == (Status.UNKNOWN_CAMERA, [])


def test_which_camera_sees_it_is_answered_by_names(three_cameras, peer):
    answers = []
    peer.node.create_subscription(SpatialAnswer, '/spatialllm/answer', answers.append, 10)
    questions = peer.node.create_publisher(String, '/spatialllm/question', 10)
    asked = 'Which camera sees the bright wall?'
    answer = peer.until(lambda: questions.publish(String(data=asked)) or answers)[0]
    assert (answer.text, answer.camera, answer.question) == ('left', 'left', asked)
    reply = peer.ask(asked, camera='front')
    assert (reply.status, reply.answer.text) == (Status.OK, 'no camera')
    assert [(one.camera, one.answer.text) for one in reply.cameras] == [('front', 'no')]
    assert peer.ask(asked, camera='rear').status == Status.NO_FRAME


def test_locating_says_which_camera_saw_it(three_cameras, peer):
    found = peer.call(Locate, '/spatialllm/locate', phrase='red car', camera='all')
    assert (found.status, list(found.cameras)) == (Status.OK, ['front', 'left'])
    assert found.message == 'could not be asked: rear'
    assert len(found.poses) == len(found.confidences) == len(found.has_heading) == 2


def test_nothing_is_called_absent_where_a_camera_has_not_looked(three_cameras, peer):
    def locate(phrase, camera):
        return peer.call(Locate, '/spatialllm/locate', phrase=phrase, camera=camera)

    absent = locate('purple dog', 'front, left')
    assert (absent.status, absent.message, absent.poses) == (Status.OK, '', [])
    unknown = locate('purple dog', 'all')
    assert (unknown.status, unknown.poses) == (Status.NO_FRAME, [])
    assert "'rear'" in unknown.message
    dark = peer.ask('which camera sees the bright wall?', camera='front, rear')
    assert dark.answer.text == 'no camera; could not be asked: rear'
    assert dark.message == 'could not be asked: rear'
    no = peer.ask('is it bright?', camera='front, rear', options=YES_NO)
    assert (no.status, no.answer.text, no.message) == (Status.OK, 'no', 'could not be asked: rear')


def test_words_that_are_no_place_are_not_taken_for_an_absence(three_cameras, peer):
    told = peer.call(Locate, '/spatialllm/locate', phrase='riddle')
    assert (told.status, told.poses) == (Status.ENGINE_ERROR, [])
    assert "'behind you'" in told.message
    found = peer.call(Locate, '/spatialllm/locate', phrase='red car', camera='all')
    assert (found.status, len(found.poses)) == (Status.OK, 2)


def test_a_goal_streams_the_words_of_each_camera_and_ends_for_all(three_cameras, peer):
    goal, _ = peer.send_goal('talk without end', camera='front, left')
    peer.result(goal.cancel_goal_async())
    ended = peer.result(goal.get_result_async()).result
    assert ended.status == Status.CANCELLED
    assert [one.status for one in ended.cameras] == [Status.CANCELLED] * 2
    assert peer.ask('ready?').status == Status.OK


def reply(text, confidence, **meaning):
    answer = SpatialAnswer(text=text, confidence=confidence, **meaning)
    return Reply(StatusCode.OK, answer=answer)


def test_the_surest_of_those_that_see_it_is_the_answer():
    yes_no = {'kind': SpatialAnswer.YES_NO}
    sure_no, unsure_yes = reply('no', 0.99, **yes_no), reply('yes', 0.6, yes=True, **yes_no)
    assert combined({'a': sure_no, 'b': unsure_yes}).answer.text == 'yes'
    found = reply('column 1 row 2 distance 3.0 m', 0.2, kind=SpatialAnswer.POSE)
    absent = reply('there is no red car', 0.9)
    assert combined({'a': absent, 'b': found}).answer.text == found.answer.text
    assert combined({'a': absent, 'b': reply('there is no car', 0.95)}).answer.confidence > 0.94


def test_who_could_not_be_asked_is_named_beside_the_answer():
    none = Reply(StatusCode.NO_FRAME, 'nothing')
    two = reply('2', 0.9, kind=SpatialAnswer.NUMBER, number=2.0)
    told = combined({'a': none, 'b': two, 'c': none})
    assert (told.status, told.message) == (StatusCode.OK, 'could not be asked: a, c')
    assert [one.message for one in told.cameras] == ['nothing', '', 'nothing']
    assert combined({'b': two}).message == combined({'': two}).message == ''


def test_without_any_answer_every_camera_s_reason_is_told():
    old, none = Reply(StatusCode.STALE_FRAME, 'too old'), Reply(StatusCode.NO_FRAME, 'nothing')
    ended = combined({'a': old, 'b': none})
    assert (ended.status, ended.message) == (StatusCode.STALE_FRAME, 'too old; nothing')
    assert [one.camera for one in ended.cameras] == ['a', 'b']


@pytest.mark.parametrize(('question', 'phrase'), [
    ('which camera sees the forklift?', 'forklift'),
    ('Which cameras see a red car ?', 'red car'),
    ('what camera can see the crate on the shelf', 'crate on the shelf'),
])  # fmt: skip
def test_questions_that_ask_which_camera(question, phrase):
    query = Query(question)
    assert asks_which_camera(query)
    each = asked_of_each(query)
    assert (each.question, each.options) == (f'is there a {phrase}?', ('yes', 'no'))
    assert each.camera == 'all'
    assert asked_of_each(Query(question, camera='a, b')).camera == 'a, b'


@pytest.mark.parametrize('marks', [' ', 'a ', '? ', '?', '\t?'])
def test_long_questions_are_read_in_linear_time(marks):
    assert not asks_which_camera(Query(f'which camera sees a{marks * 200_000}? x'))


@pytest.mark.parametrize('question', [
    'which car does the camera see?', 'which camera is nearer?', '',
])  # fmt: skip
def test_questions_that_do_not(question):
    assert not asks_which_camera(Query(question))
    assert not asks_which_camera(Query('which camera sees the car?', options=('front', 'rear')))
