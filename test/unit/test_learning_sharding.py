"""Weights shared out among two processes: what a process keeps between the batches of a step."""

import os
import subprocess
import sys
from pathlib import Path

from spatialllm_ros.learning.sharding import SHARDINGS

ROOT = Path(__file__).parents[2]
SCRIPT = """
import torch
from accelerate import Accelerator
from torch import nn
from spatialllm_ros.learning.process_end import leave_the_others
from spatialllm_ros.learning.sharding import gathered, gradients_kept, placed

accelerator = Accelerator(cpu=True)
rank = accelerator.process_index
module = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 2, bias=False))
for own in module:
    nn.init.constant_(own.weight, 0.5)
called = placed(module, [module[0]], 'full', accelerator)
batches = [[1.0, 2.0, 3.0], [4.0, -1.0, 0.0]]
for number, batch in enumerate(batches):
    with gradients_kept(called, number == 0):
        called(torch.tensor([batch]) * (1 + rank)).sum().backward()
    shares = [weight.grad.to_local().numel() for weight in called.parameters()]
    assert shares == [6, 4], shares  # of 12 and 8
found = gathered({n: p.grad for n, p in called.named_parameters()}, True)
# Each unit sums its inputs, and both outputs sum the units: two halves for each input, and
# half the inputs' sum for each unit; over processes the mean of once and twice that.
inputs = 1.5 * torch.tensor(batches).sum(0)
torch.testing.assert_close(found['0.weight'], inputs.expand(4, 3))
torch.testing.assert_close(found['1.weight'], (inputs.sum() / 2).expand(2, 4))
leave_the_others()
"""


def test_gradients_of_several_batches_stay_shared_out(tmp_path):
    """Whole ones, kept until the last batch, would be as large as the weights."""
    assert 'full' in SHARDINGS
    path = tmp_path / 'script.py'
    path.write_text(SCRIPT)
    many = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', str(path)]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(
        [sys.executable, *many], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
