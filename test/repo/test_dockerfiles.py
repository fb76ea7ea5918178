"""What the Dockerfiles copy is there, and is all that the package is built from."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / 'docker').glob('*.Dockerfile'))


def instructions(path):
    """Return the instructions of a Dockerfile, [(word, rest)], without comments."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith('#')]
    whole = re.sub(r'\\\n\s*', ' ', '\n'.join(lines))
    return [tuple(line.split(maxsplit=1)) for line in whole.splitlines() if line.strip()]


def copied(path):
    """Return {source: place in the workspace} of what a Dockerfile copies."""
    places = {}
    for word, rest in instructions(path):
        if word == 'COPY':
            *sources, place = shlex.split(rest)
            for source in sources:
                places[source] = place + source if place.endswith('/') else place
    return places


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.name)
def dockerfile(request):
    return request.param


def test_there_is_one_for_each_kind_of_machine():
    assert [path.name for path in DOCKERFILES] == ['desktop.Dockerfile', 'jetson.Dockerfile']


def test_what_is_copied_is_there_and_stays_where_it_was(dockerfile):
    for source, place in copied(dockerfile).items():
        assert (ROOT / source).exists(), source
        package = 'src' if source == 'spatialllm_msgs' else 'src/spatialllm_ros'
        assert place == f'{package}/{source}'


def test_all_that_setup_py_installs_is_copied(dockerfile):
    shared = re.search(r'SHARED_FOLDERS = \((.*?)\)', (ROOT / 'setup.py').read_text())[1]
    needed = {folder.split('/')[0] for folder in re.findall(r"'([^']+)'", shared)}
    needed |= {'package.xml', 'setup.py', 'setup.cfg', 'resource', 'spatialllm_ros', 'LICENSE'}
    assert needed <= copied(dockerfile).keys()


def test_images_have_tags(dockerfile):
    text = dockerfile.read_text()
    (image,) = (rest for word, rest in instructions(dockerfile) if word == 'FROM')
    if image == '${IMAGE}':
        image = re.search(r'^ARG IMAGE=(\S+)$', text, re.MULTILINE)[1]
    name, tag = image.rsplit(':', 1)
    assert name
    assert tag != 'latest'


def test_nothing_copied_is_ignored(dockerfile):
    ignored = set((ROOT / '.dockerignore').read_text().split())
    assert not ignored & copied(dockerfile).keys()
