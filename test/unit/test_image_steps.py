"""Photos made ready, and steps that run once: fingerprints, caches, licences; no model."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatialllm_ros.errors import ConfigError, SceneError
from spatialllm_ros.image_annotation.annotating import (
    AnnotationRequest,
    Annotators,
    annotated_scenes,
    write_shards,
)
from spatialllm_ros.image_annotation.photos import LONGEST_PX, photo_paths, prepared
from spatialllm_ros.image_annotation.steps import Step, StepCache, fingerprints
from spatialllm_ros.image_annotation.weights import Weights
from spatialllm_ros.scenes.import_report import ImportReport
from spatialllm_ros.scenes.jobs import Part

RED, BLUE = (255, 0, 0), (0, 0, 255)


def two_halves(width, height) -> Image.Image:
    """Return an image that is red on the left and blue on the right."""
    image = Image.new('RGB', (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def exif(orientation=1, focal_35mm=0) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags.get_ifd(0x8769)[0xA405] = focal_35mm
    return tags


def test_photos_are_listed_by_name_and_nothing_else(tmp_path):
    (tmp_path / 'z').mkdir()
    for name in ('b.JPG', 'a.png', 'z/0.jpeg', 'notes.txt'):
        (tmp_path / name).write_bytes(b'')
    assert [p.name for p in photo_paths(tmp_path)] == ['a.png', 'b.JPG', '0.jpeg']
    (tmp_path / 'none').mkdir()
    with pytest.raises(SceneError, match='expected images'):
        photo_paths(tmp_path / 'none')


def test_copies_in_a_cache_below_the_photos_are_no_photos(tmp_path):
    two_halves(2 * LONGEST_PX, 40).save(tmp_path / 'large.png')
    copies = tmp_path / 'cache' / 'copies'
    prepared(tmp_path / 'large.png', tmp_path, copies)
    assert list(copies.glob('*.png'))
    found = photo_paths(tmp_path, tmp_path / 'other' / '..' / 'cache')
    assert [path.name for path in found] == ['large.png']


def test_an_upright_photo_of_bounded_size_is_used_as_it_is(tmp_path):
    path = tmp_path / 'a.jpg'
    two_halves(40, 30).save(path, exif=exif(1, 28))
    photo = prepared(path, tmp_path, tmp_path / 'copies')
    assert (photo.name, photo.path, photo.focal_35mm) == ('a.jpg', path, 28)
    assert (photo.width_px, photo.height_px) == (40, 30)
    assert photo.rgb().shape == (30, 40, 3)
    assert not (tmp_path / 'copies').exists()


def test_a_turned_or_large_photo_is_copied(tmp_path):
    turned, large = tmp_path / 'turned.jpg', tmp_path / 'large.png'
    two_halves(40, 20).save(turned, exif=exif(6), quality=95)  # to be turned clockwise
    two_halves(LONGEST_PX * 2, 600).save(large)
    photo = prepared(turned, tmp_path, tmp_path / 'copies')
    assert (photo.width_px, photo.height_px, photo.focal_35mm) == (20, 40, None)
    assert photo.rgb()[2, 10] == pytest.approx(RED, abs=9)
    assert photo.rgb()[37, 10] == pytest.approx(BLUE, abs=9)
    assert prepared(turned, tmp_path, tmp_path / 'copies') == photo
    photo = prepared(large, tmp_path, tmp_path / 'copies')
    assert photo.rgb().shape == (300, LONGEST_PX, 3)


def test_a_photos_key_is_its_content(tmp_path):
    for name, size in (('a.png', 4), ('b.png', 4), ('c.png', 5)):
        Image.new('RGB', (size, 4)).save(tmp_path / name)
    a, b, c = (prepared(path, tmp_path, tmp_path).key for path in photo_paths(tmp_path))
    assert a == b != c


class Counted:
    """Steps of one number each, and a record of what was loaded and run."""

    def __init__(self, **options: int) -> None:
        self.options = {'first': 1, 'second': 2, 'third': 3} | options
        self.loaded: list[str] = []
        self.run: list[str] = []

    def steps(self) -> list[Step]:
        uses = {'first': (), 'second': ('first',), 'third': ()}
        return [
            Step(name, uses[name], {'value': value}, lambda n=name, v=value: self.load(n, v))
            for name, value in self.options.items()
        ]

    def load(self, name, value):
        self.loaded.append(name)

        def run(rgb, found):
            self.run.append(name)
            below = found['first']['sum'] if name == 'second' else 0
            return {'sum': np.array(value + below + int(rgb.sum()))}

        return run


@pytest.fixture
def photo(tmp_path):
    Image.new('RGB', (2, 1), (1, 2, 3)).save(tmp_path / 'a.png')
    return prepared(tmp_path / 'a.png', tmp_path, tmp_path / 'copies')


def outcome(folder, photo, steps) -> dict[str, int]:
    found = StepCache(folder, steps.steps()).outcomes(photo)
    return {name: int(arrays['sum']) for name, arrays in found.items()}


def test_what_was_found_is_not_looked_for_again(tmp_path, photo):
    first, again = Counted(), Counted()
    expected = {'first': 13, 'second': 27, 'third': 15}
    assert outcome(tmp_path / 'cache', photo, first) == expected
    assert first.run == first.loaded == ['first', 'second', 'third']
    assert outcome(tmp_path / 'cache', photo, again) == expected
    assert again.run == again.loaded == []


@pytest.mark.parametrize(
    ('changed', 'renewed'),
    [('first', ['first', 'second']), ('second', ['second']), ('third', ['third'])],
)
def test_a_change_renews_its_step_and_those_after_it(tmp_path, photo, changed, renewed):
    outcome(tmp_path, photo, Counted())
    steps = Counted(**{changed: 50})
    outcome(tmp_path, photo, steps)
    assert steps.run == renewed
    before, after = fingerprints(Counted().steps()), fingerprints(steps.steps())
    assert [name for name in before if before[name] != after[name]] == renewed


def test_a_damaged_cache_file_is_made_anew(tmp_path, photo):
    outcome(tmp_path / 'cache', photo, Counted())
    (path,) = (tmp_path / 'cache').glob('second-*/*.npz')
    whole = path.read_bytes()
    for damage in (b'', b'no archive', whole[: len(whole) // 2], whole[:-9]):
        path.write_bytes(damage)
        steps = Counted()
        assert outcome(tmp_path / 'cache', photo, steps)['second'] == 27
        assert steps.run == ['second']
    assert not list((tmp_path / 'cache').rglob('*.partial'))


def test_a_model_that_fails_is_one_bad_photo(tmp_path, photo):
    def fail(rgb, found):
        raise RuntimeError('out of memory')

    cache = StepCache(tmp_path, [Step('depth', (), {}, lambda: fail)])
    with pytest.raises(SceneError, match='outcome of depth, found: out of memory'):
        cache.outcomes(photo)


def test_weights_are_told_apart_by_content(tmp_path):
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'config.json').write_text('{}')
        (tmp_path / name / 'model.safetensors').write_bytes(b'weights')
    one, two = (Weights(str(tmp_path / name), 'MIT').identity for name in ('one', 'two'))
    assert one['sha256'] == two['sha256']
    (tmp_path / 'two' / 'model.safetensors').write_bytes(b'others')
    assert Weights(str(tmp_path / 'two'), 'MIT').identity['sha256'] != one['sha256']
    assert Weights('of/hub', 'MIT', 'cuda').identity == {'model': 'of/hub'}


def request_of(folder: Path, **options) -> AnnotationRequest:
    models = [Weights(f'no/{step}', 'Apache-2.0') for step in ('detector', 'masker')]
    depth = Weights('no/depth', options.pop('licence', 'MIT'))
    chosen = Annotators(*models, depth)
    return AnnotationRequest(folder, folder / 'cache', chosen, ['chair'], 0.3, **options)


def test_weights_not_for_commerce_have_to_be_accepted_before_anything_is_made(tmp_path):
    Image.new('RGB', (4, 4)).save(tmp_path / 'a.png')
    closed = request_of(tmp_path, licence='CC-BY-NC-4.0')
    with pytest.raises(ConfigError, match=r'--accept-licence CC-BY-NC-4\.0'):
        annotated_scenes(closed, ImportReport())
    accepted = request_of(tmp_path, licence='CC-BY-NC-4.0', accepted_licences=['CC-BY-NC-4.0'])
    annotated_scenes(accepted, ImportReport())
    expected = 'LicenseRef-own-images AND Apache-2.0 AND CC-BY-NC-4.0'
    assert accepted.annotators.licence() == expected


@pytest.mark.parametrize('degrees', [0, -20, 180, 400])
def test_no_lens_sees_that_much(tmp_path, degrees):
    with pytest.raises(ConfigError, match='between 0 and 180'):
        request_of(tmp_path, hfov_rad=np.radians(degrees))


def test_shards_of_something_else_are_left_alone(tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'scenes-00000.jsonl').write_text('{}\n')
    with pytest.raises(ConfigError, match='not of annotated images'):
        write_shards([], out, (8, 8), request_of(tmp_path), ImportReport())
    (out / 'scenes-00000.jsonl').unlink()
    write_shards([], out, (8, 8), request_of(tmp_path), ImportReport())
    record = json.loads((out / 'annotation-0-of-1.json').read_text())
    assert [step['step'] for step in record['steps']] == ['detection', 'masks', 'depth']
    with pytest.raises(ConfigError, match='annotation-0-of-1'):
        write_shards([], out, (8, 8), request_of(tmp_path, part=Part(1, 2)), ImportReport())


def test_images_of_a_size_that_no_object_map_divides_are_not_written(tmp_path):
    out = tmp_path / 'shards'
    with pytest.raises(ConfigError, match='multiples of 4 pixels, found 8x6'):
        write_shards([], out, (8, 6), request_of(tmp_path), ImportReport())
    assert not out.exists()
