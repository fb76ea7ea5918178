"""Stage 0's teacher: per-token heads that read each object's 3D state out of image tokens.

The heads exist only while the encoder is trained. They are single linear layers, so that what they
read lies linearly in the tokens, where the decoder can find it.

Notation: B images, T tokens, D features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from spatialllm_ros.learning.object_targets import FLAT_TARGETS, FRONT_TARGETS, OBJECT_TARGETS
from spatialllm_ros.scenes.catalogue import CATEGORIES, COLOURS

MIN_SAMPLES = 3
"""A token belongs to the object that fills most of it, if it fills this many of 16 samples."""


@dataclass(frozen=True)
class DenseTruth:
    """What each token should tell.

    Attributes:
        owner: (B, T) index of the object that fills the token, -1 for none.
        category, colour: (B, T) of that object.
        has_front: (B, T) bool.
        targets: (B, T, 13) of that object; column and row are relative to the token's centre.
    """

    owner: torch.Tensor
    category: torch.Tensor
    colour: torch.Tensor
    has_front: torch.Tensor
    targets: torch.Tensor


def dense_truth(
    shares: torch.Tensor, labels: torch.Tensor, targets: torch.Tensor, positions: torch.Tensor
) -> DenseTruth:
    """Spread the objects' truth over the tokens they fill.

    Args:
        shares: (B, O, T) samples of each token that show each object.
        labels: (B, O, 3) category, colour and has_front.
        targets: (B, O, 13).
        positions: (T, 2) column and row of the tokens' centres, -1 to 1.
    """
    most, owner = shares.max(dim=1)
    owned = most >= MIN_SAMPLES
    label = labels.gather(1, owner.unsqueeze(-1).expand(-1, -1, 3))
    value = targets.gather(1, owner.unsqueeze(-1).expand(-1, -1, targets.shape[-1])).clone()
    value[..., :2] = (value[..., :2] - positions) * OFFSET_SCALE
    owner = torch.where(owned, owner, -1)
    return DenseTruth(owner, label[..., 0], label[..., 1], label[..., 2] == 1, value)


OFFSET_SCALE = 3.0
"""Offsets from a token to its object's centre are a fraction of the image; this evens them out."""


class DenseProbe(nn.Module):
    """Linear heads on image tokens (B, T, D)."""

    def __init__(self, size: int) -> None:
        """Build heads for tokens of ``size`` features."""
        super().__init__()
        self.parts = (1, len(CATEGORIES), len(COLOURS), len(OBJECT_TARGETS))
        self.head = nn.Linear(size, sum(self.parts))

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return objectness (B, T), category and colour logits, and regressions (B, T, 13)."""
        objectness, category, colour, values = self.head(tokens).split(self.parts, dim=-1)
        return objectness.squeeze(-1), category, colour, values


def patch_features(tokens: torch.Tensor, patches: int) -> torch.Tensor:
    """Return (B, patches, F) features of image tokens, of which each backbone may have its own.

    The backbones' tokens of a patch stand side by side; their features become one after the other.
    """
    return tokens.unflatten(1, (patches, -1)).flatten(2)


def probing_loss(
    outputs: tuple[torch.Tensor, ...], truth: DenseTruth, probing: str = '3d'
) -> torch.Tensor:
    """Return the sum of the heads' losses, each averaged over the tokens it applies to.

    Probing in ``2d`` leaves out all that a flat image does not tell by itself.
    """
    objectness, category, colour, values = outputs
    owned = truth.owner >= 0
    fronted = owned & truth.has_front
    errors = known_errors(values, truth.targets, beta=0.1)
    plain = [i for i in range(errors.shape[-1]) if not _is_front(i)]
    told = FLAT_TARGETS if probing == '2d' else plain
    loss = (
        F.binary_cross_entropy_with_logits(objectness, owned.float())
        + _label_loss(category[owned], truth.category[owned])
        + 0.5 * _label_loss(colour[owned], truth.colour[owned])
        + _mean(errors[owned][:, told].sum(-1))
    )
    if probing == '2d':
        return loss
    return loss + 2.0 * _mean(errors[fronted][:, FRONT_TARGETS].sum(-1))


def known_errors(values: torch.Tensor, targets: torch.Tensor, beta: float) -> torch.Tensor:
    """Return the smooth L1 errors of values to targets, zero where a target is NaN."""
    known = ~torch.isnan(targets)
    return F.smooth_l1_loss(values, targets.nan_to_num(), reduction='none', beta=beta) * known


def _label_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean cross entropy to the labels that are known."""
    known = labels >= 0
    return _mean(F.cross_entropy(logits[known], labels[known], reduction='none'))


def _mean(values: torch.Tensor) -> torch.Tensor:
    """Return the mean; zero of nothing, since a batch may lack what a loss is about."""
    return values.sum() / max(1, len(values))


def _is_front(index: int) -> bool:
    return FRONT_TARGETS.start <= index < FRONT_TARGETS.stop


@torch.no_grad()
def probing_values(
    outputs: tuple[torch.Tensor, ...], truth: DenseTruth
) -> dict[str, torch.Tensor]:
    """Return what is right (1) or wrong (0), and errors, of each token that it applies to."""
    objectness, category, colour, values = outputs
    owned = truth.owner >= 0
    fronted = owned & truth.has_front
    offset = (values - truth.targets)[owned][:, :2] / OFFSET_SCALE / 2
    heading = torch.atan2(values[..., 9], values[..., 10])
    true_heading = torch.atan2(truth.targets[..., 9], truth.targets[..., 10])
    turn = torch.remainder(heading - true_heading + torch.pi, 2 * torch.pi) - torch.pi
    log_distance = (values - truth.targets)[owned][:, 5]
    return {
        'objectness': ((objectness > 0) == owned).flatten().float(),
        'category': _right_labels(category[owned], truth.category[owned]),
        'colour': _right_labels(colour[owned], truth.colour[owned]),
        'centre_fraction': offset.norm(dim=-1),
        'distance_error': log_distance.abs().expm1(),
        'heading_deg': torch.rad2deg(turn[fronted].abs()),
    }


def _right_labels(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return of each known label whether it is the likeliest."""
    known = labels >= 0
    return (logits.argmax(-1) == labels)[known].float()
