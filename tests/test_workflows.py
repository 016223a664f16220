"Workflows run what was read: actions by commit, no more rights than a job needs, the recorded versions somewhere."

import re

import pytest
import yaml
from conftest import ROOT

WORKFLOWS = sorted((ROOT / '.github' / 'workflows').glob('*.yml'))
SETTINGS = (ROOT / 'settings.ini').read_text(encoding='utf-8')


def jobs(path):
    return yaml.safe_load(path.read_text(encoding='utf-8'))['jobs']


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda p: p.stem)
def test_actions_are_pinned_by_commit(path):
    "A tag can be moved to other code; the comment behind the commit says which release it is."
    used = [line for line in path.read_text(encoding='utf-8').splitlines() if 'uses:' in line]
    assert used
    for line in used:
        assert re.search(r'uses: [\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$', line), line


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda p: p.stem)
def test_rights_are_least(path):
    "Nothing may be written but by the job that publishes, and there only GitHub's own action runs."
    whole = yaml.safe_load(path.read_text(encoding='utf-8'))
    assert whole['permissions'] == {'contents': 'read'}
    for name, job in jobs(path).items():
        steps = job['steps']
        for step in steps:
            if step.get('uses', '').startswith('actions/checkout@'):
                assert step['with']['persist-credentials'] is False
        if job.get('permissions'):
            assert name == 'deploy' and [s['uses'].split('@')[0] for s in steps] == ['actions/deploy-pages']


def test_the_recorded_versions_are_tested():
    assert 'constraints.txt' in jobs(ROOT / '.github/workflows/test.yml')['test']['env']['PIP_CONSTRAINT']


FIXED = {  # package: first version without a published vulnerability, as far as we know
    'torch': (2, 8), 'tqdm': (4, 66, 3), 'scikit-learn': (1, 5), 'filelock': (3, 20, 3),
    'pillow': (11, 3), 'jupyterlab': (4, 6, 2), 'nbconvert': (7, 17), 'pyyaml': (5, 4),
}


@pytest.mark.parametrize('name', FIXED)
def test_lower_bounds_lie_above_known_vulnerabilities(name):
    bound = re.search(rf'(?<![\w-]){name}>=([\d.]+)', SETTINGS)[1]
    assert tuple(map(int, bound.split('.'))) >= FIXED[name]


def test_recorded_versions_lie_within_the_ranges():
    pinned = dict(re.findall(r'^([\w.-]+)==(\S+)$', (ROOT / 'constraints.txt').read_text(), re.M))
    pinned = {k.lower().replace('_', '-'): v for k, v in pinned.items()}
    for name, bound in re.findall(r'([\w-]+)>=([\d.]+)', SETTINGS.split('# what the exported')[1]):
        if have := pinned.get(name.lower()):
            assert tuple(map(int, have.split('.'))) >= tuple(map(int, bound.split('.'))), name
