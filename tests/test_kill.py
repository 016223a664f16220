"A sample of `python -m tests.kill`: killed and out of room at every place, nothing is lost."

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_killed_or_without_room_nothing_is_lost_and_nothing_left():
    command = [sys.executable, '-m', 'tests.kill', '--few']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r'^\| (.+) \| (.+) \| (\d+) \| (\d+) \| 0 \| 0 \| \d+ \|$', done.stdout, re.M)
    assert len(rows) == 9 and all(int(times) and int(ends) for _, _, times, ends in rows), done.stdout
    assert 'history: kept' in done.stdout or 'may not mount' in done.stdout
