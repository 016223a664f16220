"""Every public name is called with drawn arguments, good and bad; see tests/draw.py.

`python -m tests.draw` makes 50,000 draws; here are 2,000, in parts that run side by side."""

import json

import numpy as np
import pytest
import torch

import draw
import drawn
from drawers import Draw, public

DRAWS, PARTS = 2000, 8


def excused(name):
    return any(name == k or name.startswith(f'{k}.') for k in drawn.EXCEPT)


def test_every_public_name_has_a_drawer():
    "A new name is drawn, or stands in the list with a reason."
    names = public()
    assert len(names) > 500
    assert not [n for n in names if n not in drawn.DRAWERS and not excused(n)]


def test_the_list_of_exceptions_is_not_out_of_date():
    names = public()
    gone = [k for k in drawn.EXCEPT if not any(n == k or n.startswith(f'{k}.') for n in names)]
    assert not gone and all(len(why.split()) > 3 for why in drawn.EXCEPT.values())
    methods = [n for n in drawn.DRAWERS if n not in names]
    assert all(n.endswith('()') or n.startswith(('data.Batches.', 'cli.')) for n in methods)


@pytest.mark.parametrize('part', range(PARTS))
def test_drawn_inputs(part):
    "An answer or a sentence; never a silently wrong answer, never without end, hardly ever obscure."
    from draw import Tally, draws

    first = DRAWS * part // PARTS
    tally = draws(first, DRAWS * (part + 1) // PARTS, seed=20, tally=Tally())
    total = tally.total()
    assert sum(total.values()) == DRAWS // PARTS
    assert not total['silent'] and not total['hang'], tally.found
    assert total['obscure'] <= max(2, 0.005 * DRAWS / PARTS), tally.found
    assert total['answer'] > 20 and total['clear'] > 20


# ------------------------------------------------------------------ does it see what it is for?

def raised(f, *args, given=()):
    return draw.outcome(Draw(lambda: f(*args), dict.fromkeys(given)), 0.5)[0]


def test_it_tells_a_sentence_of_ours_from_others():
    from d2lcnn.conv import corr2d

    X = torch.ones(3, 3)
    assert raised(corr2d, X, X[0], given='XK') == 'clear'
    assert raised(corr2d._bare, X, X[0]) == 'obscure'  # not enough values to unpack
    assert raised(torch.conv2d, X, X) == 'obscure'
    assert raised(lambda: 1 / 0) == 'obscure'
    assert raised(corr2d, X, X) == 'answer'


def test_it_sees_what_is_silently_wrong():
    wrong = Draw(lambda: 3, {}, want=lambda a: None if a == 4 else 'not 4')
    assert draw.outcome(wrong) == ('silent', 'not 4')
    assert draw.outcome(Draw(lambda: 3, {}, refuse=True))[0] == 'silent'
    assert draw.outcome(Draw(lambda: 4, {}, want=wrong.want))[0] == 'answer'


def test_it_sees_what_does_not_end():
    def forever():
        while True:
            try:
                np.ones(10).sum()
            except Exception:
                pass

    assert draw.outcome(Draw(forever), 0.2)[0] == 'hang'


def test_draws_repeat_and_go_on(tmp_path):
    "The same number is the same draw; a file holds the counts to go on from."
    name = 'conv.corr2d'
    a, b = (draw.shown(draw.drawn(name, 5)) for _ in range(2))
    assert a == b and a != draw.shown(draw.drawn(name, 6))
    keep = tmp_path / 'kept.json'
    said = ['--only', name, '--show', '0', '--keep', str(keep)]
    draw.main([*said, '--draws', '5'])
    draw.main([*said, '--draws', '12'])
    half = json.loads(keep.read_text())
    whole = draw.draws(0, 12, only=name)
    assert half['done'] == 12 and half['counts'][name] == dict(whole.counts[name])


def test_the_table_adds_up():
    tally = draw.draws(0, 30, only='padding_stride.conv_out')
    last = tally.table().splitlines()[-2].split()
    assert last[0] == 'all' and int(last[1]) == 30 == sum(int(n) for n in last[2:])
