"The counting of chapter 14: costs by hand and against the network's own MACs, clocks, profiles, Amdahl."
import json
import math
import statistics
import time

import pytest
import torch
from conftest import ROOT
from torch import nn
from torch.nn import functional as F

from d2lcnn import bench, speed as S, zoo
from d2lcnn.bench import CPU_PLAN, GPU_PLAN, FairLoop, UsualLoop, accuracies, roof_of, table
from d2lcnn.data import DataUnavailable, fashion_mnist
from d2lcnn.lenet import lenet
from d2lcnn.peaks import PRECISIONS, conditions, float32_as, float32_in
from d2lcnn.summary import macs
from d2lcnn.train import xavier


def test_clock_leaves_out_the_first_calls_and_measures_each():
    calls = []
    def f(): calls.append(0); time.sleep(.03 if len(calls) <= 2 else .005)
    seconds = S.timed(f, 4)
    assert len(seconds) == 4 and len(calls) == 6 and all(.004 < s < .03 for s in seconds)
    with pytest.raises(ValueError, match='repeats=0'): S.timed(f, 0)


@pytest.mark.parametrize('name', [*zoo.NETWORKS])
def test_a_step_costs_about_three_forward_passes(name):
    size = zoo.network(name).classic.size
    costs, forward = S.step_costs(zoo.network(name).make(size), (2, 1, size, size)), macs(zoo.network(name).make(size), (2, 1, size, size))
    counted = sum(o.macs for o in costs)
    assert 2.5 * forward < counted <= 3 * forward  # the first layer needs no gradient of its input
    heavy = {o.op for o in costs if o.macs}
    assert heavy <= {'convolution', 'convolution_backward', 'mm', 'addmm'}, heavy


def test_costs_of_a_linear_layer_by_hand():
    costs = S.step_costs(nn.Sequential(nn.Flatten(), nn.Linear(12, 10)), (5, 3, 2, 2))
    forward = next(o for o in costs if o.op == 'addmm')
    assert forward.macs == 5 * 12 * 10 and forward.bytes == 4 * (5 * 12 + 12 * 10 + 10 + 5 * 10)
    assert sum(o.macs for o in costs) == 2 * 600  # forward, and the gradient of the weights


def test_costs_scale_with_batch_and_bytes_with_the_type():
    one, two = (S.step_costs(lenet(), (n, 1, 28, 28)) for n in (64, 128))
    assert 2 * sum(o.macs for o in one) == sum(o.macs for o in two)
    half = S.step_costs(lenet(), (128, 1, 28, 28), dtype=torch.bfloat16)
    assert .45 < sum(o.bytes for o in half) / sum(o.bytes for o in two) < .6


def test_counting_leaves_the_network_alone():
    net = lenet().eval(); before = {k: v.clone() for k, v in net.state_dict().items()}
    S.step_costs(net, (2, 1, 28, 28))
    assert not net.training and all(p.grad is None and p.device.type == 'cpu' for p in net.parameters())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_bound_is_the_slower_of_the_two():
    o = S.Cost('x', 100, 10)
    assert o.seconds(peak=50, bandwidth=100) == 2 and o.seconds(peak=1000, bandwidth=2) == 5


@pytest.mark.parametrize('share, gain', [(-.1, 2), (1.1, 2), (.5, 0)])
def test_amdahl_refuses(share, gain):
    with pytest.raises(ValueError, match=str(share if gain else gain)): S.amdahl(share, gain)


def test_amdahl():
    for share in (0, .3, 1):
        for gain in (.5, 1, 7): assert math.isclose(S.amdahl(share, gain), 1 / ((1 - share) + share / gain))
    assert S.amdahl(1, math.inf) == math.inf and math.isclose(S.amdahl(.75, math.inf), 4)


def test_profile_finds_what_takes_the_time(capfd):
    A, w = torch.randn(600, 600), torch.randn(4, requires_grad=True)
    def step(): A @ A; (w * 2).sum().backward()
    rows = S.operators(step)
    assert rows[0][0] == 'mm' and rows[0][1] == 1 and [r[2] for r in rows] == sorted((r[2] for r in rows), reverse=True)
    assert {'mul', 'sum'} <= {r[0] for r in rows}
    assert capfd.readouterr() == ('', ''), 'the profiler wrote something'


@pytest.mark.slow
def test_recorded_measurements_are_whole():
    folder = ROOT / 'results' / 'bench'
    gpu, cpu, newer, reached = (json.loads((folder / f'{n}.json').read_text(encoding='utf-8')) for n in ('h200', 'cpu', 'cpu-bf16', 'accuracy-cpu'))
    for result, plan in ((gpu, GPU_PLAN), (cpu, CPU_PLAN), (newer, CPU_PLAN)):
        assert {r['name'] for r in result['rows']} == set(plan) and len(table(result).splitlines()) == 5 + len(result['rows'])
        for r in result['rows']:
            assert r['low'] <= r['examples_per_s'] <= r['high'] and 0 <= r['data_share'] <= 1
            bound = sum(o.seconds(max(result['peak_macs'].values()), math.inf) for o in S.step_costs(zoo.network(r['name']).make(r['size']), (r['batch_size'], 1, r['size'], r['size'])))
            assert r['batch_size'] / r['examples_per_s'] > bound, 'faster than the arithmetic allows'
    profile = json.loads((folder / 'profile-h200.json').read_text(encoding='utf-8'))
    for p in profile['steps'].values(): assert sum(p['parts'].values()) < p['step_ms']
    for name in {r['name'] for r in reached['rows']}:  # what is faster is as right, within the luck of single runs
        usual, *ours = [r['test_acc'] for r in reached['rows'] if r['name'] == name]
        for acc in ours:
            error = math.hypot(*(statistics.stdev(a) / len(a) ** .5 for a in (usual, acc)))
            assert len(acc) == len(usual) >= 3 and abs(statistics.mean(acc) - statistics.mean(usual)) < 2 * error, name


def test_the_usual_loop_trains_on_the_pictures_that_fit_gets(monkeypatch):
    try: data = fashion_mnist(batch_size=32, valid=0, limit=64, seed=3, device='cpu')
    except DataUnavailable: pytest.skip('Fashion-MNIST is not on this machine')
    loops = []
    class Kept(UsualLoop):
        def __init__(self, *args, **kwargs): super().__init__(*args, **kwargs); loops.append(self)
        def run(self, steps): return 1., 0.
    monkeypatch.setattr(bench, 'UsualLoop', Kept)
    accuracies('lenet_bn', {'float32': None}, seeds=[3], epochs=1, limit=64, batch_size=32, device='cpu')
    X, y = data.train.batch(data.train.rows)
    seen = [*loops[0].loader.dataset]
    torch.testing.assert_close(torch.stack([x for x, _ in seen]), X)
    assert [label for _, label in seen] == y.tolist()
    start = zoo.network('lenet_bn').make(28)
    torch.manual_seed(3); xavier(start)
    for ours, usual in zip(start.parameters(), loops[0].net.parameters()): assert torch.equal(ours, usual)


# ---------------------------------------------------------------- the loop written with care


@pytest.fixture
def images():
    try:
        return fashion_mnist(batch_size=32, valid=0, limit=64, seed=3, device='cpu')
    except DataUnavailable:
        pytest.skip('Fashion-MNIST is not on this machine')


@pytest.mark.parametrize('size, off', [(28, 1e-6), (40, 1.01 / 255)])
def test_the_fair_loop_sees_the_same_images_in_the_same_order(images, size, off):
    seen = []
    for Loop in (UsualLoop, FairLoop):
        loop = Loop('lenet', 0, 32, size, rows=images.train.rows.tolist(), device='cpu')
        torch.manual_seed(5)
        seen.append([loop._moved(*loop._batch()) for _ in range(2)])
    for (X, y), (Z, z) in zip(*seen):
        assert Z.shape == (32, 1, size, size) and Z.dtype == torch.float32
        assert torch.equal(y, z) and (X - Z).abs().max() <= off  # one gray level


def test_the_fair_loop_learns_the_same(images):
    options = dict(seeds=[3], epochs=2, limit=512, batch_size=32, lr=.3, device='cpu')
    usual, fair, _ = accuracies('lenet_bn', {'float32': None}, **options)
    assert (usual['who'], fair['who']) == ('usual loop', 'fair loop')
    assert abs(usual['test_acc'][0] - fair['test_acc'][0]) < .02


@pytest.mark.parametrize('workers', [0, 1])
def test_loops_tell_waiting_from_copying(images, monkeypatch, workers):
    for Loop in (UsualLoop, FairLoop):
        loop, moved = Loop('lenet', workers, 32, 28, limit=64, device='cpu'), Loop._moved
        def slow(self, X, y): time.sleep(.02); return moved(self, X, y)
        monkeypatch.setattr(Loop, '_moved', slow)
        rate, waited, copied = loop.run(4)
        seconds = 4 * 32 / rate
        assert rate > 0 and 0 <= waited < 1 and .08 <= copied * seconds and waited + copied < 1
        monkeypatch.undo()


def test_waiting_for_a_slow_loader_is_no_copy(images, monkeypatch):
    loop = UsualLoop('lenet', 0, 32, 28, limit=64, device='cpu')
    batch = loop._batch
    monkeypatch.setattr(loop, '_batch', lambda: (time.sleep(.02), batch())[1])
    rate, waited, copied = loop.run(4)
    assert waited * 4 * 32 / rate >= .08 and copied < waited


def test_copies_are_summed_up_and_shown_where_they_were_measured():
    row = bench.summed_up([(10, .1, .3), (30, .2, .5), (20, .3, .4)])
    assert row == dict(examples_per_s=20, low=10, high=30, data_share=.2, copy_share=.4)
    assert 'copy_share' not in bench.summed_up([(10, .1)])
    result = json.loads((ROOT / 'results' / 'bench' / 'cpu.json').read_text(encoding='utf-8'))
    assert ' copy ' not in table(result)
    result['rows'][0]['copy_share'] = .25
    head, first, second = (table(result).splitlines()[i] for i in (3, 5, 6))
    at = head.index('copy')
    assert first[at:at + 4] == ' 25%' and second[at:at + 4].strip() == '–'


# ---------------------------------------------------------------- TF32


def test_float32_is_put_back():
    before = float32_as()
    legacy = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    for precision in ('ieee', 'tf32'):
        with pytest.raises(ZeroDivisionError), float32_in(precision):
            assert set(float32_as().values()) == {precision}
            1 / 0
    assert float32_as() == before and set(before) == set(PRECISIONS)
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == legacy


def test_on_cuda_the_benchmark_notes_tf32_and_measures_its_roof(monkeypatch):
    "Without a GPU: the product's peak is what the settings say."
    peak = {'ieee': 10e12, 'tf32': 80e12}
    def product(device, dtype, side):
        return 200e12 if dtype == torch.bfloat16 else peak[float32_as()['matrix_products']]
    monkeypatch.setattr(bench, 'matmul_peak', product)
    monkeypatch.setattr(bench, 'bandwidth', lambda device, mib: 1e12)
    monkeypatch.setattr('d2lcnn.peaks.device_name', lambda device: 'a GPU')
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda: True)
    row = dict(name='lenet', size=28, batch_size=256, who='usual loop, 4 workers', macs=10**6)
    row |= dict(examples_per_s=1e6, low=1e6, high=1e6, data_share=.1, copy_share=.2, memory=2**30)
    monkeypatch.setattr(bench, 'compare', lambda name, variants, **how: [row])
    result = bench.bench(['lenet'], device='cuda', tell=bench.quiet)
    assert result['peak_macs'] == dict(float32=10e12, bfloat16=200e12, tf32=80e12)
    assert result['float32_as'] == float32_as() == dict(convolutions='tf32', matrix_products='ieee')
    assert '80 T MACs/s in tf32' in table(result) and table(result).endswith('3.8%  1.00 G')
    assert roof_of('this book, bfloat16', result) == 'bfloat16'
    result['float32_as']['convolutions'] = 'ieee'
    assert roof_of('usual loop', result) == 'float32'
    assert roof_of('usual loop', dict(peak_macs=dict(float32=1))) == 'float32'
    assert 'float32_as' not in conditions('cpu')
