"""A process of several ends with success although tearing Python down would abort it."""

import signal
import subprocess
import sys

import pytest

from spatialllm_ros.learning import process_end

ENDS = f"""
import atexit, os, sys, torch
from {process_end.__name__} import leave_the_others
if sys.argv[1] == 'with others':
    torch.distributed.init_process_group(
        'gloo', init_method='file://' + sys.argv[2], rank=0, world_size=1)
print('all done', end='')
atexit.register(os.abort)  # as gloo's thread would, if it came late
leave_the_others()
"""


@pytest.mark.parametrize(('who', 'returned'), [('with others', 0), ('alone', -signal.SIGABRT)])
def test_only_a_process_with_others_ends_before_python_is_torn_down(who, returned, tmp_path):
    command = [sys.executable, '-c', ENDS, who, str(tmp_path / 'store')]
    end = subprocess.run(command, capture_output=True, text=True, check=False)
    assert end.returncode == returned
    if who == 'with others':
        assert end.stdout == 'all done'
