"""Annotation of plain images by untrained models of the real classes: steps, caches, accounts."""

import json
import math
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from transformers import (
    AutoProcessor,
    BertConfig,
    BertTokenizer,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    Dinov2ForImageClassification,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    SamConfig,
    SamModel,
    SamProcessor,
    SwinConfig,
    pipeline,
)
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.image_annotation.depth import depth_step
from spatialllm_ros.image_annotation.detection import category_of, detection_step, separate_boxes
from spatialllm_ros.image_annotation.masking import masking_step, unpacked_masks
from spatialllm_ros.image_annotation.orientation import cropped, mean_direction, orientation_step
from spatialllm_ros.image_annotation.weights import Weights, weights
from spatialllm_ros.scenes.shards import read_scenes

SCRIPT = Path(__file__).parents[2] / 'training' / 'annotate_images.py'
WIDTH, HEIGHT = 120, 90
WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '.', '?', 'chair', 'table', 'lamp']
DINOV2 = {'hidden_size': 16, 'num_attention_heads': 2, 'mlp_ratio': 2, 'patch_size': 14,
          'image_size': 56}  # fmt: skip
AZIMUTHS_DEG = ('0', '90', '180', '270')


def varied(model: nn.Module, deviation: float, seed: int) -> nn.Module:
    """Return the model with weights so wide that its answers differ between pixels."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, deviation)
    return model


def write_detector(folder: Path) -> None:
    """Write a Grounding DINO whose boxes are of middling size."""
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
            image_size=64, out_features=['stage2', 'stage3', 'stage4'],
        ),
        text_config=BertConfig(
            vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=16, max_position_embeddings=64,
        ),
        num_queries=20, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, d_model=32, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_n_points=2, decoder_n_points=2, max_text_len=32,
    )  # fmt: skip
    model = varied(GroundingDinoForObjectDetection(config), 0.05, 1)
    with torch.no_grad():
        for head in model.bbox_embed:
            head.layers[-1].bias[2:] = 1.0
    model.save_pretrained(folder)
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)})
    images = GroundingDinoImageProcessorPil(size={'shortest_edge': 64, 'longest_edge': 96})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)


def write_masker(folder: Path) -> None:
    """Write a SAM of 64 x 64 pixels."""
    config = SamConfig(
        vision_config={
            'hidden_size': 16, 'output_channels': 8, 'num_hidden_layers': 1, 'mlp_dim': 16,
            'num_attention_heads': 2, 'image_size': 64, 'patch_size': 8, 'num_pos_feats': 4,
            'global_attn_indexes': [0], 'window_size': 4,
        },
        prompt_encoder_config={
            'hidden_size': 8, 'image_size': 64, 'patch_size': 8, 'mask_input_channels': 4,
            'image_embedding_size': 8,
        },
        mask_decoder_config={
            'hidden_size': 8, 'mlp_dim': 16, 'num_hidden_layers': 1, 'num_attention_heads': 2,
            'iou_head_hidden_dim': 8,
        },
    )  # fmt: skip
    varied(SamModel(config), 0.25, 0).save_pretrained(folder)
    square, small = {'height': 64, 'width': 64}, {'height': 16, 'width': 16}
    images = SamImageProcessorPil(
        size={'longest_edge': 64}, pad_size=square, mask_size={'longest_edge': 16},
        mask_pad_size=small,
    )  # fmt: skip
    SamProcessor(images).save_pretrained(folder)


def write_depth(folder: Path, seed: int = 0, kind: str = 'metric') -> None:
    """Write a Depth Anything."""
    config = DepthAnythingConfig(
        backbone_config=Dinov2Config(
            **DINOV2, num_hidden_layers=4, out_indices=[1, 2, 3, 4], reshape_hidden_states=False
        ),
        patch_size=14, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, head_hidden_size=8, depth_estimation_type=kind, max_depth=20,
    )  # fmt: skip
    varied(DepthAnythingForDepthEstimation(config), 0.1, seed).save_pretrained(folder)
    size = {'height': 56, 'width': 56}
    DPTImageProcessorPil(size=size, ensure_multiple_of=14).save_pretrained(folder)


def write_orientation(folder: Path, labels: tuple[str, ...] = AZIMUTHS_DEG) -> None:
    """Write a DINOv2 classifier of azimuths."""
    names = dict(enumerate(labels))
    config = Dinov2Config(
        **DINOV2, num_hidden_layers=1, id2label=names, label2id={v: k for k, v in names.items()}
    )
    varied(Dinov2ForImageClassification(config), 0.2, 0).save_pretrained(folder)
    BitImageProcessorPil(
        size={'shortest_edge': 56}, crop_size={'height': 56, 'width': 56}
    ).save_pretrained(folder)


def own(folder) -> Weights:
    return Weights(str(folder), 'MIT')


@pytest.fixture(scope='module', autouse=True)
def single_thread():
    """Tiny models on a busy machine: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def models(tmp_path_factory) -> Path:
    """Return a folder with one model of each step, in folders named after their options."""
    folder = tmp_path_factory.mktemp('models')
    write_detector(folder / 'detector')
    write_masker(folder / 'masker')
    write_depth(folder / 'depth')
    write_orientation(folder / 'orientation')
    return folder


def pixels(seed, width=WIDTH, height=HEIGHT) -> np.ndarray:
    """Return patches of random colours."""
    patches = np.random.default_rng(seed).integers(0, 255, (8, 10, 3), np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / 'photos'
    (folder / 'more').mkdir(parents=True)
    for index, name in enumerate(('a.png', 'b.png', 'more/c.png')):
        Image.fromarray(pixels(index)).save(folder / name)
    return folder


def test_detections_agree_with_the_models_own_numbers(models):
    rgb, words = pixels(0), ['chair', 'table', 'lamp']
    found = detection_step(own(models / 'detector'), words, 0.0).load()(rgb, {})
    processor = AutoProcessor.from_pretrained(models / 'detector')
    model = GroundingDinoForObjectDetection.from_pretrained(models / 'detector').eval()
    with torch.no_grad():
        inputs = processor(images=rgb, text='chair. table. lamp.', return_tensors='pt')
        outputs = model(**inputs)
    scores = 1 / (1 + np.exp(-outputs.logits[0].max(-1).values.numpy()))
    middle, size = np.split(outputs.pred_boxes[0].numpy(), 2, axis=1)
    corners = np.concatenate([middle - size / 2, middle + size / 2], axis=1).clip(0, 1)
    assert 0 < len(found['scores']) <= len(scores)
    assert set(found['categories'].tolist()) <= set(words)
    assert (np.diff(found['scores']) <= 0).all()
    for score, box in zip(found['scores'], found['boxes_xyxy_px'], strict=True):
        index = int(np.abs(scores - score).argmin())
        assert scores[index] == pytest.approx(score, abs=1e-5)
        expected = corners[index] * [WIDTH, HEIGHT, WIDTH, HEIGHT] - 0.5
        assert box == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ('label', 'category'),
    [
        ('chair', 'chair'), ('chair.', ''), ('chair . [SEP]', 'chair'), ('plant', 'potted plant'),
        ('table', 'table'), ('coffee', 'coffee table'), ('chair table', ''), ('.', ''), ('', ''),
    ],
)  # fmt: skip
def test_what_a_detectors_words_mean(label, category):
    known = ['chair', 'table', 'coffee table', 'potted plant']
    assert category_of(label, known) == category


def test_of_doubled_boxes_the_surest_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 20, 10, 30], [0, 0, 10, 4]], float)
    # The second overlaps the first by 90 of 110, the last by 40 of 100.
    assert separate_boxes(boxes, np.array([0.5, 0.9, 0.2, 0.3])).tolist() == [1, 3, 2]
    assert len(separate_boxes(np.zeros((0, 4)), np.zeros(0))) == 0


@pytest.mark.parametrize('words', [[], [''], ['a chair. a table'], ['a b c d e']])
def test_categories_are_a_few_words(models, words):
    with pytest.raises(ConfigError, match='categories of 1 to 4 words'):
        detection_step(own(models / 'detector'), words, 0.3)


def test_masks_lie_in_their_boxes_where_the_model_says_so(models):
    rgb = pixels(1)
    boxes = np.array([[10.0, 10, 60, 70], [50, 20, 119, 89], [3, 3, 4, 4]])
    found = masking_step(own(models / 'masker')).load()(
        rgb, {'detection': {'boxes_xyxy_px': boxes}}
    )
    masks = unpacked_masks(found)
    processor = SamProcessor.from_pretrained(models / 'masker')
    model = SamModel.from_pretrained(models / 'masker').eval()
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        inputs = processor(images=rgb, input_boxes=[[[left, top, right, bottom]]],
                           return_tensors='pt')  # fmt: skip
        with torch.no_grad():
            low = model(
                pixel_values=inputs['pixel_values'], input_boxes=inputs['input_boxes'].float(),
                multimask_output=False,
            ).pred_masks[0]  # fmt: skip
        # 120 x 90 was scaled to 64 x 48 and padded below.
        square = nn.functional.interpolate(low, (64, 64), mode='bilinear')[..., :48, :]
        full = nn.functional.interpolate(square, (HEIGHT, WIDTH), mode='bilinear')[0, 0] > 0
        v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
        inside = (u >= left - 1) & (u <= right + 1) & (v >= top - 1) & (v <= bottom + 1)
        assert (mask == (full.numpy() & inside)).mean() > 0.999
    assert 0 < masks[:2].mean() < 1


def test_nothing_detected_is_no_mask_and_no_heading(models):
    none = {'detection': {'boxes_xyxy_px': np.zeros((0, 4))}}
    found = masking_step(own(models / 'masker')).load()(pixels(0), none)
    assert unpacked_masks(found).shape == (0, HEIGHT, WIDTH)
    headings = orientation_step(own(models / 'orientation')).load()(pixels(0), none)
    assert headings['azimuths_rad'].shape == headings['agreements'].shape == (0,)


def test_depth_agrees_with_the_pipeline_of_transformers(models):
    rgb = pixels(2)
    found = depth_step(own(models / 'depth')).load()(rgb, {})
    estimate = pipeline('depth-estimation', model=str(models / 'depth'), device='cpu')
    expected = estimate(Image.fromarray(rgb))['predicted_depth'].numpy()
    assert found['depth_m'].shape == (HEIGHT, WIDTH)
    assert found['depth_m'] == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert expected.std() > 0
    assert np.isnan(found['focal_px'])


def test_depth_that_is_not_metric_is_refused(tmp_path):
    write_depth(tmp_path / 'relative', kind='relative')
    with pytest.raises(ConfigError, match=r'metric depth model.*relative'):
        depth_step(own(tmp_path / 'relative')).load()


def test_the_mean_direction_by_hand():
    azimuths = np.radians([0.0, 90, 180, 270])
    probabilities = np.array([[0, 1, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0], [0.7, 0, 0, 0.3]])
    mean, length = mean_direction(probabilities, azimuths)
    assert length == pytest.approx([1, math.sqrt(0.5), 0, math.hypot(0.7, 0.3)])
    assert np.degrees(mean)[[0, 1]] == pytest.approx([90, 45])
    assert math.degrees(mean[3]) == pytest.approx(360 - math.degrees(math.atan2(0.3, 0.7)))


def test_headings_are_those_of_the_crops(models):
    rgb = pixels(3)
    boxes = np.array([[10.0, 10, 60, 70], [50.0, 20, 130, 95]])
    given = {'detection': {'boxes_xyxy_px': boxes}}
    found = orientation_step(own(models / 'orientation')).load()(rgb, given)
    classify = pipeline('image-classification', model=str(models / 'orientation'), device='cpu')
    for index, box in enumerate(boxes):
        crop = Image.fromarray(cropped(rgb, box))
        scores = {float(c['label']): c['score'] for c in classify(crop, top_k=4)}
        x, y = scores[0] - scores[180], scores[90] - scores[270]
        assert found['agreements'][index] == pytest.approx(math.hypot(x, y), abs=1e-4)
        assert found['azimuths_rad'][index] == pytest.approx(math.atan2(y, x) % math.tau, abs=1e-3)
    # A margin of 6 pixels around 50 x 60, and nothing from beyond the border.
    assert cropped(rgb, boxes[0]).shape == (73, 63, 3)
    assert cropped(rgb, boxes[1]).shape == (HEIGHT - 12, WIDTH - 42, 3)


def test_labels_that_are_no_azimuths_are_refused(tmp_path):
    write_orientation(tmp_path / 'cats', ('cat', 'dog'))
    with pytest.raises(ConfigError, match=r'azimuths in degrees.*cat'):
        orientation_step(own(tmp_path / 'cats')).load()


def test_absent_weights_are_named_with_the_files_they_need(tmp_path, monkeypatch):
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    for make in (masking_step, depth_step, orientation_step):
        with pytest.raises(ConfigError, match=r'at no/such.*model\.safetensors.*into a folder'):
            make(Weights('no/such', 'MIT')).load()
    with pytest.raises(ConfigError, match='in the folder'):
        detection_step(own(tmp_path), ['chair'], 0.3).load()
    with pytest.raises(ConfigError, match='--licence-of no/such=NAME'):
        weights('no/such', {}, 'cpu')
    assert weights('no/such', {'no/such': 'MIT'}, 'cpu').licence == 'MIT'
    assert weights('facebook/sam-vit-base', {}, 'cpu').licence == 'Apache-2.0'


def annotate(monkeypatch, photos, models, *arguments) -> None:
    """Run the command with the tiny models; later arguments win."""
    sources = {name: models / name for name in ('detector', 'masker', 'depth', 'orientation')}
    options = [word for name, path in sources.items() for word in (f'--{name}', path)]
    stated = [word for path in models.iterdir() for word in ('--licence-of', f'{path}=MIT')]
    words = [photos, '--find', 'chair', 'table', 'lamp', '--threshold', 0, '--hfov-deg', 60]
    command = [SCRIPT, *words, '--device', 'cpu', *options, *stated, *arguments]
    monkeypatch.setattr(sys, 'argv', [str(word) for word in command])
    runpy.run_path(str(SCRIPT), run_name='__main__')


def records(folder) -> dict:
    """Return the scenes by name, without their places in a shard, and their pixels."""
    pixels = {
        path.stem.split('-')[1]: np.load(path) for path in sorted(folder.glob('images-*.npy'))
    }
    found = {}
    for scene in read_scenes(folder):
        shard, index = scene.image.removeprefix('images-').split('.npy#')
        found[scene.scene_id] = replace(scene, image=''), pixels[shard][int(index)].tobytes()
    return found


def test_the_command_annotates_a_folder(models, photos, tmp_path, monkeypatch):
    (photos / 'broken.png').write_bytes(b'no image')
    out, cache = tmp_path / 'out', tmp_path / 'photos-cache'
    annotate(monkeypatch, photos, models, '--out', out)
    report = json.loads((out / 'report-0-of-1.json').read_text())
    assert [entry['where'] for entry in report['skipped']] == ['broken.png']
    first = records(out)
    assert 0 < report['scenes'] == len(first) <= 3
    assert {scene.licence for scene, _ in first.values()} == {'LicenseRef-own-images AND MIT'}
    assert {item.category for scene, _ in first.values() for item in scene.objects} <= set(WORDS)

    annotate(monkeypatch, photos, models, '--overlays', tmp_path / 'drawn')
    assert {path.stem for path in (tmp_path / 'drawn').glob('*.png')} == set(first)

    for part in ('0/2', '1/2'):
        annotate(monkeypatch, photos, models, '--out', tmp_path / 'parts', '--shard', part)
    assert records(tmp_path / 'parts') == first

    write_depth(models / 'other-depth', seed=5)
    annotate(monkeypatch, photos, models, '--out', out, '--depth', models / 'other-depth')
    kinds = [path.name.rsplit('-', 1)[0] for path in cache.iterdir()]
    assert sorted(kinds) == ['depth', 'depth', 'detection', 'masks', 'orientation']

    # What was found before is found without a model.
    def refuse(*_):
        raise AssertionError('a model was loaded')

    monkeypatch.setattr(Weights, 'model', refuse)
    annotate(monkeypatch, photos, models, '--out', out)
    assert records(out) == first


def test_no_licence_no_annotation(models, photos, tmp_path, monkeypatch):
    closed = ('--licence-of', f'{models / "depth"}=CC-BY-NC-4.0', '--out', tmp_path / 'out')
    with pytest.raises(SystemExit, match=r'--accept-licence CC-BY-NC-4\.0'):
        annotate(monkeypatch, photos, models, *closed)
    assert not (tmp_path / 'out').exists()
