"""Exercises: every one takes its solution and answers its wrong answers; then the machinery itself.

Chapters are found, not listed: a chapter takes part as soon as nbs/exercises/chNN.ipynb and its
notebook exist.
"""

import ast
import collections
import contextlib
import functools
import importlib
import inspect
import io
import json
import math
import random
import re
import sys
import threading
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn import functional as F

kit = importlib.import_module("d2lcnn.check")
from d2lcnn import answers, calls, clues, diagnose, wording
from d2lcnn.check import Choice, Function, Number, Shape, check, exercise, hint
from d2lcnn.places import find_chapters

NBS = Path(__file__).resolve().parents[1] / "nbs"
SETS = sorted(
    p.stem[2:] for p in (NBS / "exercises").glob("ch[0-9f][0-9].ipynb")
)  # chapters that have exercises
# every chapter that teaches a part or a network
SIX = [p.name[:2] for p in find_chapters(nbs=NBS) if not p.name.startswith(("13", "14"))]


def of(chapter):
    "The ids of a chapter; none where its module does not import, which a test of its own reports"
    try:
        return kit.exercises(chapter)
    except Exception:
        return []


IDS = [id for chapter in SETS for id in of(chapter)]
CHOICES = [id for id in IDS if isinstance(kit._registry[id], Choice)]
FUNCTIONS = [id for id in IDS if isinstance(kit._registry[id], Function)]
WRONG = [(id, k) for id in IDS for k in range(len(kit._registry[id].wrong_answers()))]


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    "Every test starts with the chapters' exercises, no tries and no hints, and leaves none behind"
    for name, value in ("_registry", dict(kit._registry)), ("_tries", {}), ("_hinted", {}):
        monkeypatch.setattr(kit, name, value)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    "On tensors this small, threads only cost time"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def said(capsys):
    "said(check, id, answer): what a call prints"

    def call(function, *args):
        capsys.readouterr()
        assert function(*args) is None
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return call


def cells(path):
    return [
        (c["cell_type"], "".join(c["source"]), c)
        for c in json.loads(path.read_text(encoding="utf-8"))["cells"]
    ]


def numbers_in(text):
    "Every number written in a text, 1,024 and 1\\,024 and 0.5 and answer = 16 / 49 alike"
    text = re.sub(r"(?<=\d)(,|\\,|\{,\}|_)(?=\d{3})", "", text)
    computed = [
        eval(term, {"__builtins__": {}})
        for term in re.findall(r"answer = (\d[\d.+*/ -]*\d)\b", text)
    ]
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", text)] + computed


def placed(id):
    "(task up to the answer cell, answer cell, solution) of an exercise in its chapter"
    notebooks = find_chapters([id[:2]], NBS)
    assert len(notebooks) == 1, f"chapter {id[:2]} has {len(notebooks)} notebooks"
    found = cells(notebooks[0])
    tasks = [
        i
        for i, (kind, text, _) in enumerate(found)
        if kind == "markdown" and text.lstrip().startswith(f"**{id}**")
    ]
    assert len(tasks) == 1, (
        f"{notebooks[0].name} has {len(tasks)} markdown cells that start with **{id}**"
    )
    rest = found[tasks[0] + 1 :]
    end = next(
        (
            i
            for i, (kind, text, _) in enumerate(rest)
            if kind == "markdown" and re.match(r"\s*(\*\*(\d\d|f\d)\.\d+\*\*|#)", text)
        ),
        len(rest),
    )
    task = "\n\n".join(
        [found[tasks[0]][1]]
        + [text for kind, text, _ in rest[:end] if kind == "markdown" and "<details" not in text]
    )
    answers = [
        c
        for kind, text, c in rest[:end]
        if kind == "code" and re.search(rf"""^check\(["']{id}["'], """, text, re.M)
    ]
    solutions = [text for kind, text, _ in rest[:end] if kind == "markdown" and "<details" in text]
    assert len(answers) == 1, f"{id} has {len(answers)} answer cells that call check"
    assert len(solutions) == 1, f"{id} has {len(solutions)} folded solutions"
    return task, answers[0], solutions[0]


# --- every registered exercise


@pytest.mark.parametrize("chapter", SETS)
def test_exercise_notebook_and_module_agree(chapter):
    importlib.import_module(f"d2lcnn.exercises.ch{chapter}")
    source = "\n".join(
        text
        for kind, text, _ in cells(NBS / "exercises" / f"ch{chapter}.ipynb")
        if kind == "code" and "#| export" in text
    )
    written = re.findall(r"""^exercise\(\s*["']((?:\d\d|f\d)\.\d+)["']""", source, re.M)
    assert sorted(written) == sorted(set(written)), "an id is registered twice"
    ids = kit.exercises(chapter)
    assert set(written) == set(ids), "run the export: notebook and module differ"
    assert ids == [f"{chapter}.{k + 1}" for k in range(len(ids))], "ids count from 1 without a gap"


@pytest.mark.parametrize("chapter", SIX)
def test_six_exercises_or_more(chapter):
    assert len(of(chapter)) >= 6


@pytest.mark.parametrize("id", IDS)
def test_solution_is_accepted(id, said):
    kind = kit._registry[id]
    out = said(check, id, kind.solution)
    assert out.startswith(f"✓ {id}: right") and out.count("\n") == 1
    assert getattr(kind, "because", "") in out


@pytest.mark.parametrize("id, k", WRONG)
def test_wrong_answer_hears_its_own_message(id, k, said):
    answer, message = kit._registry[id].wrong_answers()[k]
    first, second = said(check, id, answer).splitlines()
    assert first == f"✗ {id}: {message}"
    assert f'hint("{id}")' in second
    assert said(check, id, answer) == first + "\n"


@pytest.mark.parametrize("id", IDS)
def test_hints_and_messages_are_there(id, said):
    kind = kit._registry[id]
    messages = [message for _, message in kind.wrong_answers()]
    assert len(set(messages)) >= 2
    assert all(len(text.split()) >= 3 for text in messages + kind.hints), "say it in a sentence"
    assert 1 <= len(kind.hints) <= 2
    for k, text in enumerate(kind.hints):
        assert said(hint, id) == f"{id}, hint {k + 1} of {len(kind.hints)}: {text}\n"
    assert "solution is folded" in said(hint, id)
    assert said(check, id, ...) == f"{id}: not answered yet\n"


@pytest.mark.parametrize("id", IDS)
def test_chapter_has_task_answer_cell_and_solution(id):
    task, answer, solution = placed(id)
    assert len(task.split()) > 8, "the task is hardly a task"
    assert "</details>" in solution and "<summary>" in solution and len(solution.split()) > 8
    assert re.search(r"</summary>\s*\n\s*\n", solution), (
        "a blank line after </summary>, or the markdown inside is not rendered"
    )
    printed = "".join("".join(o.get("text", [])) for o in answer["outputs"])
    assert printed in ("", f"{id}: not answered yet\n"), "the chapter stores an answer"


@pytest.mark.parametrize("id", CHOICES)
def test_choice_lists_its_options(id):
    task, _, solution = placed(id)
    for letter in kit._registry[id].options:
        assert re.search(
            rf"\*\*\(?{letter}[.)]?\*\*|\({letter}\)|`{letter}`|^\W*{letter}[.)]", task, re.M
        ), f"option {letter} is not in the task"
    assert re.search(rf"\b{kit._registry[id].solution}\b", solution), (
        "the solution does not name its letter"
    )


@pytest.mark.parametrize("id", [id for id in IDS if isinstance(kit._registry[id], (Number, Shape))])
def test_folded_solution_holds_the_answer(id):
    kind, there = kit._registry[id], numbers_in(placed(id)[2])
    if isinstance(kind, Shape):
        assert set(kind.solution) <= set(there)
    else:
        assert any(kind.judge(n)[0] for n in there), f"{kind.solution} is not among {there}"


def is_constant(node):
    "NAME = numbers and words, as a chapter writes an architecture"
    names = [getattr(t, "id", "") for t in getattr(node, "targets", [])]
    if not isinstance(node, ast.Assign) or not all(len(n) > 2 and n.isupper() for n in names):
        return False
    try:
        return ast.literal_eval(node.value) is not None
    except ValueError:
        return False


@pytest.mark.parametrize("id", FUNCTIONS)
def test_folded_solution_of_a_function_runs(id):
    solution, kind = placed(id)[2], kit._registry[id]
    code = "\n".join(re.findall(r"```python\n(.*?)```", solution, re.S))
    assert code, "a function's solution is a python block"
    space = {"__name__": "chapter"}
    # what the chapter imports and defines is there when its exercises are done
    for path in find_chapters([id[:2]], NBS):
        for tree in (
            ast.parse(text)
            for kind_of, text, _ in cells(path)
            if kind_of == "code" and not re.search(r"^[%!]", text, re.M)
        ):
            kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
            keep = [node for node in tree.body if isinstance(node, kinds) or is_constant(node)]
            exec(compile(ast.Module(keep, []), path.name, "exec"), space)
    space["check"], before = lambda *_: None, dict(space)
    exec(code, space)
    mine = [value for name, value in space.items() if value is not before.get(name)]
    assert any(callable(f) and kind.judge(f)[0] for f in mine), (
        "no function of the solution is accepted"
    )


@pytest.mark.parametrize("id", FUNCTIONS)
def test_function_is_drawn_lopsided_and_checked_fast(id):
    kind = kit._registry[id]
    draws, again = kind.drawn(), kind.drawn()
    assert len(draws) >= 5 and all(
        calls.same(a, b)
        for x, y in zip(draws, again)
        for a, b in zip(calls.tensors(x), calls.tensors(y))
    )
    for tensor in (
        t for args in draws for t in calls.tensors(args) if t.is_floating_point() and t.numel() > 3
    ):
        assert tensor.std() > 0, "a constant input hides wrong indexing"
    assert any(
        not calls.same(calls.tensors(a), calls.tensors(b)) or repr(a) != repr(b)
        for a in draws[:1]
        for b in draws[1:]
    ), "every draw is the same"
    for answer in [kind.solution] + [wrong for wrong, _ in kind.wrong_answers()]:
        assert min(timed(kind, answer) for _ in range(3)) < 0.3


def timed(kind, answer):
    "Seconds of processor time that judging takes, which no neighbor on the machine can lengthen"
    start = time.process_time()
    kind.judge(answer)
    return time.process_time() - start


@pytest.mark.parametrize("chapter", SETS)
def test_chapter_calls_no_unknown_exercise(chapter):
    for path in find_chapters([chapter], NBS):
        text = "\n".join(text for _, text, _ in cells(path))
        called = set(re.findall(r"""(?:check|hint)\(["']((?:\d\d|f\d)\.\d+)["']""", text)) | set(
            re.findall(r"^\*\*((?:\d\d|f\d)\.\d+)\*\*", text, re.M)
        )
        assert called == set(kit.exercises(chapter))


def test_exercises_of_part_0_come_first_and_are_found_as_a_reader_writes_them(said):
    assert kit.exercises()[0] == "f0.1" and kit.exercises("f1")[-1] == "f1.9"
    for written in "f1.2", " F1.2 ", "f1.02":
        assert said(check, written, 2350) == "✓ f1.2: right.\n"
    with pytest.raises(ValueError, match="no exercise 'f1.99'; there are f1.1, f1.2"):
        check("f1.99", 3)
    for bad in "g1.1", "f12.1", "f1.0", "F1.1":
        with pytest.raises(ValueError, match="such as '02.3' or 'f1.2'"):
            exercise(bad, Number(3, **NUMBER))


# --- numbers

NUMBER = dict(hints="h h h", wrong={150: "one output position only", 3136: "that is with padding"})


@pytest.mark.parametrize(
    "value, keywords, answer, fragment",
    [
        (2352, {}, 150, "one output position only"),
        (2352, dict(unit="MACs"), 4704, "FLOPs; MACs are asked"),
        (2352, dict(unit="FLOPs"), 1176, "MACs; FLOPs are asked"),
        (2352, {}, 2351, "off by one: 1 too small"),
        (2352, {}, -2352, "wrong sign"),
        (2352, {}, 7056, "exactly 3 times too large: which factor of 3 is too many"),
        (2352, {}, 147, "exactly 16 times too small: which factor of 16 is missing"),
        (2352, {}, 2.352, "in thousands; write the number out"),
        (61_706_000, {}, 61.706, "in millions"),
        (
            7.5,
            dict(unit="billion MACs", rtol=0.02),
            7_520_000_000,
            "1,000,000,000 times too large; the unit asked is billion MACs",
        ),
        (0.915, dict(tol=0.002), 91.4, "that is in percent; a fraction of 1 is asked"),
        (91.5, dict(tol=0.2, unit="%"), 0.914, "that is a fraction of 1; percent are asked"),
        (246_824, dict(unit="bytes"), 61_706, "a float32 value takes 4 bytes"),
        (246_824, dict(unit="bytes"), 1_974_592, "bits"),
        (2352, {}, 2370, "close, but a little too large"),
        (2352, {}, 900.5, "too small"),
        (0, {}, 7, "too large"),
        (2352, {}, "2352", "that is the text '2352'; give the number without quotes"),
        (2352, {}, (2352,), "a comma at the end makes a tuple"),
        (2352, {}, [1, 2], "that is a list; one number is asked"),
        (2352, {}, (2352, 1), "that is a tuple"),
        (2352, {}, torch.ones(2, 3), "a tensor of shape (2, 3)"),
        (2352, {}, np.ones(3), "a NumPy array"),
        (2352, {}, True, "that is True/False"),
        (2352, {}, len, "call the function first"),
        (2352, {}, nn.Linear(2, 3), "a layer (Linear)"),
        (2352, {}, math.nan, "finite"),
        (2352, {}, 10**400, "finite"),
        (2352, {}, 2352j, "a complex number"),
    ],
)
def test_wrong_number(value, keywords, answer, fragment):
    right, message = Number(value, **NUMBER, **keywords).judge(answer)
    assert not right and fragment in message


@pytest.mark.parametrize(
    "answer",
    [
        2352,
        np.int64(2352),
        np.float32(2352),
        torch.tensor(2352),
        torch.tensor([2352.0]),
        np.array([[2352]]),
    ],
)
def test_right_number_in_every_type(answer):
    assert Number(2352, **NUMBER).judge(answer)[0]


def test_number_tolerance_and_whole_numbers():
    assert (
        Number(0.25, tol=0.01, **NUMBER).judge(0.26)[0]
        and not Number(0.25, tol=0.01, **NUMBER).judge(0.262)[0]
    )
    assert (
        Number(200.0, rtol=0.01, **NUMBER).judge(198)[0]
        and not Number(200.0, rtol=0.01, **NUMBER).judge(197)[0]
    )
    assert Number(0.3, **NUMBER).judge(0.1 + 0.2)[0]
    assert (
        "//" in Number(2352, **NUMBER).judge(2352.0)[1]
        and "//" not in Number(2352, **NUMBER).judge(2352)[1]
    )
    near = Number(0.5, tol=0.05, hints="h", wrong={0.4: "forgot the floor", 0.7: "other"})
    assert near.judge(0.41) == (False, "forgot the floor") and near.judge(0.46)[0], (
        "a wrong answer does not eat the tolerance of the right one"
    )


# --- shapes

SHAPE = dict(
    hints="h h h", wrong={(2, 3, 12, 9): "the channels are those of the kernel", (9, 9, 9, 9): "no"}
)


@pytest.mark.parametrize(
    "answer, fragment",
    [
        ((2, 3, 12, 9), "the channels are those of the kernel"),
        ((6, 12, 9), "the batch dimension is missing"),
        ((1, 2, 6, 12, 9), "the first axis is one too many"),
        ((2, 6, 9, 12), "the last two numbers are swapped"),
        ((2, 12, 9, 6), "the channels stand last"),
        ((12, 9, 6, 2), "right numbers, wrong order"),
        (
            (2, 6, 13, 10),
            (
                "the 3rd number is too large by one and the 4th number is too large by one, the"
                " rest is right"
            ),
        ),
        ((2, 6, 11, 9), "the 3rd number is too small by one"),
        ((3, 7, 13, 10), "all numbers are too large by 1"),
        ((1, 1, 1, 1), "all numbers are off"),
        ((1, 6, 1, 1), "right is only the 2nd number"),
        ((2, 648), "2 axes, where 4 are right"),
        ((2, 6, -1, 9), "never negative"),
        ((2, 6, 12.5, 9), "12.5 is not a whole number; which way does the formula round?"),
        ((None, 6, 12, 9), "None is no size"),
        ((2, 6, math.inf, 9), "inf is no size"),
        ("(2, 6, 12, 9)", "without quotes"),
        (1296, "that is a number; a shape is a tuple such as (2, 5)"),
        (torch.ones(2, 6, 12, 9), "itself; give its shape"),
        (np.ones((2, 6)), "itself; give its shape"),
        (torch.ones(2).size, "was size() called"),
        ({"a": 1}, "that is a dictionary"),
    ],
)
def test_wrong_shape(answer, fragment):
    right, message = Shape((2, 6, 12, 9), **SHAPE).judge(answer)
    assert not right and fragment in message


@pytest.mark.parametrize(
    "answer",
    [
        [2, 6, 12, 9],
        torch.Size([2, 6, 12, 9]),
        torch.tensor([2, 6, 12, 9]),
        np.array([2, 6, 12, 9]),
        (2.0, 6, np.int64(12), torch.tensor(9)),
    ],
)
def test_right_shape_in_every_type(answer):
    assert Shape((2, 6, 12, 9), **SHAPE).judge(answer)[0]


def test_shape_of_one_axis_and_named_axes():
    assert (
        "with a comma for its one axis, such as (5,)"
        in Shape((7,), hints="h", wrong={(6,): "a", (8,): "b"}).judge(7)[1]
    )
    assert (
        "(height)"
        in Shape(
            (3, 4), hints="h", wrong={(6, 6): "a", (8, 8): "b"}, axes=("height", "width")
        ).judge((5, 4))[1]
    )


# --- choices


@pytest.mark.parametrize(
    "answer, fragment",
    [
        ("a", "not a"),
        (" C) ", "not c"),
        ("d", "'d' is none of the options a, b or c"),
        ("", "none of the options"),
        (2, "in quotes: a, b or c"),
        (["a", "b"], "choose one option"),
        ({"a"}, "not a"),
        (len, "that is a function"),
    ],
)
def test_wrong_choice(answer, fragment):
    right, message = Choice("b", why={"a": "not a", "C": "not c"}, hints="h").judge(answer)
    assert not right and fragment in message


@pytest.mark.parametrize("answer", ["b", "B", "(b)", " b.", ["b"]])
def test_right_choice(answer):
    assert Choice("b", why={"a": "not a", "c": "not c"}, because="So it is.", hints="h").judge(
        answer
    ) == (True, "right. So it is.")


# --- functions


def conv(X, K, b, stride, padding):
    return F.conv2d(X, K, b, stride=stride, padding=padding)


def conv_args(g):
    def n(low, high):
        return torch.randint(low, high, (), generator=g).item()

    return (
        torch.randn(2, 3, n(7, 10), n(10, 13), generator=g),
        torch.randn(4, 3, 2, 3, generator=g),
        torch.randn(4, generator=g),
        (2, 3),
        (1, 2),
    )


def question(reference=conv, inputs=conv_args, mistakes=None, **keywords):
    return Function(reference, inputs, hints="h", mistakes=mistakes or {}, **keywords)


def same_name(X, K, b, stride, padding):  # a stub, as the chapter leaves it
    "Convolve."
    ...


def relu_in_place(X, K, b, stride, padding):
    X.relu_()
    return conv(X, K, b, stride, padding)


def raises(X, K, b, stride, padding):
    return X[0, 99]


@pytest.mark.parametrize(
    "answer, fragment",
    [
        (lambda *a: a[0][99], "your function raised IndexError for X of shape (2, 3,"),
        (raises, "at `return X[0, 99]`: index 99 is out of bounds"),
        (
            lambda X, K: X,
            "your function takes (X, K); it is called with (X, K, b, stride, padding)",
        ),
        (lambda *a: print(end=""), "your function returned None; does it end with return?"),
        (lambda *a: conv(*a).numpy(), "returned a NumPy array; a tensor is asked (stay in torch"),
        (lambda *a: conv(*a).tolist(), "returned a list; a tensor is asked (torch.tensor"),
        (lambda *a: (conv(*a),), "returned a tuple; a tensor is asked"),
        (lambda *a: conv(*a).sum().item(), "returned a number; a tensor is asked"),
        (lambda *a: nn.Conv2d(3, 4, 2), "returned a layer (Conv2d); a tensor is asked"),
        (
            lambda *a: conv(*a).double(),
            (
                "right values, but of dtype torch.float64 where torch.float32 is asked; make new"
                " tensors with dtype=X.dtype"
            ),
        ),
        (lambda *a: conv(*a).int(), "decimals are cut off"),
        (lambda *a: conv(*a).to("meta"), "on the meta device, which holds no values"),
        (
            lambda *a: conv(*a).to(torch.complex64),
            "of dtype torch.complex64, where torch.float32 is asked",
        ),
        (lambda *a: conv(*a) * 2, "every value is 2 times too large"),
        (lambda *a: conv(*a) / 5, "every value is 5 times too small"),
        (
            lambda *a: conv(*a) / 6,
            "too small by the factor 6, the number of values in one channel of K",
        ),
        (lambda *a: conv(*a) * 0.3, "every value is 0.3 times the right one"),
        (
            lambda *a: conv(*a) / 72,
            "too small by the factor 72, the number of values in K: a sum is asked, not a mean?",
        ),
        (lambda *a: conv(*a) / a[0].shape[-1], "too small by a factor, X.shape[3]"),
        (lambda *a: conv(*a) + 0.25, "every value is too large by 0.25"),
        (lambda *a: conv(*a) - a[2].sum(), "off by the same constant"),
        (
            lambda *a: conv(*a) + a[2][0].item() * torch.arange(1.0, 5)[:, None, None],
            "every channel is off by a constant of its own: is the bias",
        ),
        (lambda *a: -conv(*a), "every sign is wrong"),
        (lambda *a: conv(*a).mT, "transposed"),
        (lambda *a: conv(*a).permute(0, 2, 3, 1), "axes are in the wrong order"),
        (lambda *a: conv(*a).flip(-1), "the result is flipped left to right"),
        (lambda *a: conv(*a)[None], "an axis of size 1 too many"),
        (lambda *a: conv(*a).flatten(1), "not in the right shape (reshape)"),
        (lambda *a: conv(*a)[0], "the first example alone"),
        (lambda *a: conv(*a).sum(1), "one sum too many"),
        (lambda *a: conv(*a).mean(1), "averaged over"),
        (lambda *a: conv(*a).relu(), "negative values are cut off"),
        (lambda *a: conv(*a).softmax(1), "probabilities; logits are asked"),
        (lambda *a: conv(*a)[..., 1:-1, 1:-1], "the border is missing"),
        (lambda *a: F.pad(conv(*a), (1, 1, 1, 1)), "a border too many"),
        (lambda *a: conv(*a)[..., :-1], "the 4th number is too small by one"),
        (lambda *a: conv(*a).roll(1, -2), "one step off"),
        (
            lambda X, K, b, s, p: conv(X, K.flip(-1, -2), b, s, p),
            "what comes out when K is flipped, upside down and left to right",
        ),
        (lambda X, K, b, s, p: conv(X, K, None, s, p), "what comes out without b, as if it were 0"),
        (lambda X, K, b, s, p: conv(X, K, 2 * b, s, p), "what comes out for twice b"),
        (lambda X, K, b, s, p: conv(X, K, -b, s, p), "b has the wrong sign"),
        (lambda X, K, b, s, p: conv(X, K, b, 1, p), "what comes out for stride 1: is stride used?"),
        (lambda X, K, b, s, p: conv(X, K, b, s[::-1], p), "the two numbers of stride are mixed up"),
        (lambda X, K, b, s, p: conv(X, K, b, s[0], p), "only the first number of stride is used"),
        (lambda X, K, b, s, p: conv(X, K, b, s, 0), "padding 0: is padding used?"),
        (lambda X, K, b, s, p: conv(X, K, b, s, (2, 4)), "twice the padding"),
        (lambda *a: torch.zeros_like(conv(*a)), "all zeros; is it ever filled in?"),
        (lambda *a: conv(*a) * math.nan, "all nan"),
        (
            lambda *a: conv(*a).index_fill(2, torch.tensor([0]), 9.0),
            "all wrong ones lie at the border; at [0, 0, 0, 0] you have 9,",
        ),
        (
            lambda *a: conv(*a) + 1e-3 * torch.rand(conv(*a).shape),
            "close, the largest difference is 0.000",
        ),
        (relu_in_place, "it also changes its input X"),
        (
            lambda *a: (conv(*a), a[1].zero_())[0],
            "the result is right, but your function changes its input K; work on a copy, K.clone()",
        ),
        ("conv", "that is the text 'conv'; give the function itself, its name without quotes"),
        (torch.ones(2), "a tensor of shape (2,); give the function itself"),
        (3, "that is a number; give the function itself"),
    ],
)
def test_wrong_function(answer, fragment):
    right, message = question().judge(answer)
    assert not right and fragment in message, message
    assert "\n" not in message and len(message) < 420


@pytest.mark.parametrize(
    "answer",
    [
        conv,
        lambda *a: conv(*a),
        lambda X, K, b, stride=1, padding=0: conv(X, K, b, stride, padding),
        lambda *a: conv(*a) + 1e-7,
    ],
)
def test_right_function(answer):
    assert question().judge(answer) == (True, "right, on 8 random inputs.")


def test_stubs_are_not_answers():
    kind = question()

    class Layer(nn.Module):
        def forward(self, X):
            return X

    def passes(X):
        pass

    def scale(X):
        "Has a docstring."
        return 5

    assert (
        kind.unanswered(same_name)
        and kind.unanswered(passes)
        and kind.unanswered(lambda X: ...)
        and kind.unanswered(None)
    )
    assert not any(
        kind.unanswered(f)
        for f in (scale, lambda X: X, Layer, Layer(), len, torch.conv2d, lambda *a: print())
    )


def test_mistakes_come_first_and_must_hold_on_every_input():
    kind = question(
        mistakes={
            "stride": (lambda X, K, b, s, p: conv(X, K, b, 1, p), "use the stride"),
            "wide": (
                lambda X, K, b, s, p: conv(X, K, b, s, p) + (X.shape[-1] == 10),
                "wide inputs",
            ),
        }
    )
    assert kind.judge(lambda X, K, b, s, p: conv(X, K, b, 1, p)) == (False, "use the stride")
    assert kind.judge(lambda X, K, b, s, p: conv(X, K, b, s, p) + (X.shape[-1] == 10)) == (
        False,
        "wide inputs",
    )
    assert "every value is too large by 1" in kind.judge(lambda *a: conv(*a) + 1)[1]
    raising = question(mistakes={"index": (raises, "99 is beyond the last row")})
    assert raising.judge(lambda *a: a[0][99]) == (False, "99 is beyond the last row")
    assert "RuntimeError" in raising.judge(lambda *a: a[0] @ a[1])[1]


def test_what_a_function_prints_is_shown_once(capsys):
    assert question().judge(
        lambda X, K, b, s, p: (print("shape", K.shape), conv(X, K, b, s, p))[1]
    )[0]
    assert capsys.readouterr().out == "shape torch.Size([4, 3, 2, 3])\n"


def test_some_inputs_right_says_so():
    message = question().judge(lambda *a: conv(*a) if a[0].shape[-1] > 10 else a[0][99])[1]
    assert re.search(r"\(right for \d of 8 inputs\)", message)
    message = question().judge(
        lambda *a: conv(*a) * (1 if a[0].shape[-1] > 10 else torch.rand(conv(*a).shape))
    )[1]
    assert "right shape, wrong values for X of shape (2, 3," in message and re.search(
        r"\(right for \d of 8 inputs\)", message
    )


def out(n, k, s, p):
    return tuple((a - b + 2 * q) // t + 1 for a, b, t, q in zip(n, k, s, p))


def out_args(g):
    def n(low, high):
        return torch.randint(low, high, (), generator=g).item()

    return (n(20, 40), n(41, 60)), (n(3, 6), n(6, 8)), (2, 3), (1, 2)


@pytest.mark.parametrize(
    "answer, fragment",
    [
        (lambda n, k, s, p: out(n, k, s, p)[::-1], "right results, in the wrong order"),
        (lambda n, k, s, p: tuple(v - 1 for v in out(n, k, s, p)), "every value is too small by 1"),
        (
            lambda n, k, s, p: out(n, k, s, p)[0],
            "returned a number; 2 results are asked, as a tuple",
        ),
        (lambda n, k, s, p: out(n, k, s, p) * 2, "returned 4 results; 2 are asked"),
        (lambda n, k, s, p: out(n, k, s[::-1], p), "the two numbers of s are mixed up"),
        (
            lambda n, k, s, p: tuple((a - b + 2 * q) / t + 1 for a, b, t, q in zip(n, k, s, p)),
            "right once rounded down",
        ),
        (lambda n, k, s, p: ("a", "b"), "returned text as result 1; a number is asked"),
        (lambda n, k, s, p: tuple(v + (v > 15) for v in out(n, k, s, p)), "wrong values"),
    ],
)
def test_function_that_returns_numbers(answer, fragment):
    right, message = question(out, out_args).judge(answer)
    assert not right and fragment in message, message


def test_number_results_in_every_type():
    kind = question(lambda n: n * 3, lambda g: (torch.randint(2, 99, (), generator=g).item(),))
    assert kind.judge(lambda n: torch.tensor(n * 3))[0] and kind.judge(lambda n: np.int64(n * 3))[0]
    assert "//" in kind.judge(lambda n: n * 3.0)[1]
    assert (
        "too small by a factor" in kind.judge(lambda n: 3)[1]
        and "is 3 times too large" in kind.judge(lambda n: 9 * n)[1]
    )
    assert (
        "wrong result" in kind.judge(lambda n: n * 3 + n % 4)[1]
        and "you have" in kind.judge(lambda n: n * 3 + n % 4)[1]
    )


def test_two_tensors_are_told_apart():
    kind = question(
        lambda X: (X.mean(0), X.var(0, correction=0)), lambda g: (torch.randn(6, 3, generator=g),)
    )
    assert kind.judge(lambda X: (X.mean(0), ((X - X.mean(0)) ** 2).mean(0)))[0]
    assert kind.judge(lambda X: [X.mean(0), X.var(0)])[1].startswith(
        "result 2 of 2: off by the factor n/(n-1), n being X.shape[0]"
    )
    assert (
        kind.judge(lambda X: (X.var(0, correction=0), X.mean(0)))[1]
        == "right results, in the wrong order"
    )


def test_reference_that_raises_asks_for_an_error():
    def strict(X, K):
        if X.shape[1] != K.shape[0]:
            raise ValueError(f"{X.shape[1]} columns against {K.shape[0]} rows")
        return X @ K

    def args(g):
        n = torch.randint(2, 4, (), generator=g).item()
        return torch.randn(5, 3, generator=g), torch.randn(n, 4, generator=g)

    kind = question(strict, args)
    assert kind.judge(strict)[0]
    assert "a ValueError is asked there" in kind.judge(lambda X, K: X @ K)[1]
    assert (
        "no error for X of shape (5, 3), K of shape (2, 4); a ValueError is asked"
        in kind.judge(lambda X, K: X[:, : len(K)] @ K[: X.shape[1]])[1]
    )


def test_in_place_work_is_asked_where_the_reference_does_it():
    def step(w, lr):
        w -= lr * w

    kind = question(
        step, lambda g: (torch.randn(4, 3, generator=g), torch.rand((), generator=g).item())
    )
    assert (
        kind.judge(step)[0]
        and kind.judge(lambda w, lr: w.mul_(1 - lr) and None if w.numel() == 1 else step(w, lr))[0]
    )
    assert not kind.judge(lambda w, lr: torch.zeros(3) if lr < 0 else None)[0]


def test_layers_and_lists_as_arguments():
    def args(g):
        net = nn.Linear(3, 2)
        nn.init.normal_(net.weight, generator=g)
        return net, [torch.randn(4, 3, generator=g), torch.randn(2, 3, generator=g)]

    kind = question(lambda net, Xs: torch.cat([net(X) for X in Xs]).detach(), args)
    assert kind.judge(lambda net, Xs: net(torch.cat(Xs)))[0]
    assert (
        "changes its input net"
        in kind.judge(lambda net, Xs: (kind.solution(net, Xs), nn.init.zeros_(net.weight))[0])[1]
    )
    assert (
        "changes its input Xs"
        in kind.judge(lambda net, Xs: (kind.solution(net, Xs), Xs[1].zero_())[0])[1]
    )


def test_inputs_are_fresh_for_every_call():
    seen = []
    drawn = torch.randn(3, 4)
    kind = question(lambda X: X + 1, lambda g: drawn)
    kind.judge(lambda X: (seen.append(X.clone()), X.zero_())[1])
    assert len(seen) == 8 and all(torch.equal(X, drawn) for X in seen)


def test_judging_leaves_generators_and_gradients_alone():
    def noisy(*a):
        return conv(*a) + 0 * torch.rand(1) + 0 * random.random() + 0 * np.random.rand()

    def seed():
        torch.manual_seed(5)
        random.seed(5)
        np.random.seed(5)

    seed()
    want = torch.rand(3), random.random(), np.random.rand()
    seed()
    with torch.no_grad():
        assert question().judge(noisy)[0] and not question().judge(raises)[0]
        assert not torch.is_grad_enabled()
    assert torch.equal(want[0], torch.rand(3)) and want[1:] == (random.random(), np.random.rand())
    seeded = question(
        lambda X: X + torch.rand(X.shape), lambda g: (torch.randn(2, 3, generator=g),)
    )
    assert seeded.judge(lambda X: torch.rand(X.shape) + X)[0], (
        "random functions start from the same seed"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_wrong_device_is_told_and_the_cuda_generator_kept():
    torch.cuda.manual_seed(5)
    want = torch.rand(3, device="cuda")
    torch.cuda.manual_seed(5)
    message = question().judge(lambda *a: conv(*a).cuda() + 0 * torch.rand(1, device="cuda"))[1]
    assert (
        message == "right values, but on device cuda:0 where cpu is asked; make new tensors with"
        " device=X.device"
    )
    assert torch.equal(want, torch.rand(3, device="cuda"))


@pytest.mark.parametrize(
    "answer",
    [
        conv,
        raises,
        lambda *a: conv(*a) * torch.randn(1),
        lambda *a: conv(*a) + torch.randn(conv(*a).shape),
    ],
)
def test_judging_is_fast(answer):
    assert min(timed(question(), answer) for _ in range(3)) < 0.3


# --- the register, check and hint


@pytest.mark.parametrize(
    "id, kind, error",
    [
        ("2.1", Number(1, hints="h", wrong={2: "a", 3: "b"}), ValueError),
        ("02.0", Number(1, hints="h", wrong={2: "a", 3: "b"}), ValueError),
        (2.1, Number(1, hints="h", wrong={2: "a", 3: "b"}), ValueError),
        ("98.1", 7, TypeError),
        ("98.1", Number(1, hints=[], wrong={2: "a", 3: "b"}), ValueError),
        ("98.1", Number(1, hints=["a", "b", "c"], wrong={2: "a", 3: "b"}), ValueError),
        ("98.1", Number(1, hints="h", wrong={2: "a"}), ValueError),
        ("98.1", Number(1, hints="h", wrong={1: "a", 3: "b"}), ValueError),
        ("98.1", Number(1, hints="h", wrong={2: "a", 2.0000000001: "b"}), ValueError),
        ("98.1", Shape((3, 4), hints="h", wrong={(3, 4): "a", (4, 3): "b"}), ValueError),
        ("98.1", Choice("a", why={"a": "x", "b": "y"}, hints="h"), ValueError),
        ("98.1", Function(conv, conv_args, hints="h", mistakes={"one": (raises, "a")}), ValueError),
    ],
)
def test_unfinished_exercise_is_refused(id, kind, error):
    with pytest.raises(error):
        exercise(id, kind)


def test_unknown_id_names_those_that_exist():
    exercise("98.2", Number(1, hints="h", wrong={2: "a", 3: "b"}))
    exercise("98.10", Number(1, hints="h", wrong={2: "a", 3: "b"}))
    with pytest.raises(ValueError, match=r"no exercise '98\.7'; there are 98\.2, 98\.10$"):
        check("98.7", 1)
    with pytest.raises(ValueError, match=r"no exercise 'x'; there are .*98\.2, 98\.10$"):
        hint("x")
    with pytest.raises(TypeError, match="in quotes"):
        check(98.2, 1)
    assert kit.exercises("98") == ["98.2", "98.10"] and check.exercises()[-2:] == ["98.2", "98.10"]


def test_chapter_is_imported_when_asked_for(tmp_path, monkeypatch, said):
    package = pytest.importorskip("d2lcnn.exercises")
    (tmp_path / "ch97.py").write_text(
        "from d2lcnn.check import exercise, Number\n"
        "for k in 1, 2: exercise(f'97.{k}', Number(k, hints='h', wrong={8: 'a', 9: 'b'}))\n"
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    exercise("97.2", Number(7, hints="h", wrong={8: "a", 9: "b"}))
    assert said(check, "97.1", 1) == "✓ 97.1: right.\n"
    assert said(check, "97.2", 7) == "✓ 97.2: right.\n", "the one of this session stays in force"
    sys.modules.pop("d2lcnn.exercises.ch97")


def test_what_check_and_hint_print(said):
    exercise(
        "98.1",
        Shape(
            (4, 5), hints=["first", "second"], wrong={(5, 7): "that is the input", (3, 4): "n - k"}
        ),
    )
    for nothing in (), (...,), (None,), ((..., ...),):
        assert said(check, "98.1", *nothing) == "98.1: not answered yet\n"
    assert said(check, "98.1", (3, 4)) == '✗ 98.1: n - k\n  If you are stuck: hint("98.1")\n'
    assert said(check, "98.1", (3, 4)) == "✗ 98.1: n - k\n"
    assert "put a shape in brackets" in said(check, "98.1", 4, 5)
    assert said(check, "98.1", (4, 5)) == "✓ 98.1: right.\n"
    assert [said(hint, "98.1") for _ in range(4)] == [
        "98.1, hint 1 of 2: first\n",
        "98.1, hint 2 of 2: second\n",
        "98.1: no more hints; the worked solution is folded below the answer cell\n",
        "98.1, hint 1 of 2: first\n",
    ]
    exercise("08.1", kit._registry["98.1"])
    assert said(check, "8.1", [4, 5]) == "✓ 08.1: right.\n"


def test_a_terminal_without_the_marks(monkeypatch):
    exercise("98.1", Shape((4, 5), hints="h", wrong={(5, 7): "4×5 → 3", (3, 4): "n - k"}))
    raw = io.BytesIO()
    monkeypatch.setattr(
        sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252", newline="\n", write_through=True)
    )
    check("98.1", (4, 5))
    check("98.1", (5, 7))
    assert raw.getvalue().decode("cp1252").splitlines()[:2] == [
        "OK 98.1: right.",
        "NO 98.1: 4×5 ? 3",
    ]


LOOP = []
LOOP.append(LOOP)
UNWRITTEN = [10**5000, functools.reduce(lambda inner, _: [inner], range(5000), 1)]  # repr fails
HARD = [
    10**400,
    -(10**4000),
    Fraction(10**400, 3),
    Fraction(19),
    Decimal("19"),
    Decimal("sNaN"),
    Decimal("-Infinity"),
    Decimal("1e999999999"),
    np.longdouble("1e4000"),
    np.float16(19),
    np.bool_(True),
    np.str_("b"),
    np.datetime64("2020-01-01"),
    np.array([4, None], dtype=object),
    np.ma.masked,
    torch.tensor(19.0, requires_grad=True),
    torch.tensor(2 + 1j),
    torch.tensor([4.0, 5.0]).to_sparse(),
    torch.ones(2, 3).to_sparse(),
    torch.ones(2, dtype=torch.float8_e5m2),
    nn.LazyLinear(3).weight,
    nn.Linear,
    torch.Size,
    torch.Size([4, 5]),
    collections.namedtuple("Size", "height width")(4, 5),
    frozenset("b"),
    {4, 5},
    "3×3",
    "a\nb" * 999,
    LOOP,
    (a for a in (4, 5)),
    ValueError("no"),
    iter,
    sys.exit,
]


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=4)
    | st.binary(max_size=3)
    | st.sampled_from(
        [
            torch.ones(2, 0),
            torch.tensor(3),
            torch.tensor([4, 5]),
            torch.eye(2).to_sparse(),
            torch.ones(2, device="meta"),
            np.ones(()),
            np.array("x"),
            np.array([]),
            len,
            print,
            int,
            nn.Linear(1, 1),
            ...,
            object(),
            range(3),
            lambda X: X,
            lambda X: (X, X),
            lambda X: torch.eye(4).to_sparse(),
            float("nan"),
            *HARD,
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers(), inner, max_size=2)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(ODD)
def test_no_answer_raises(answer):
    kinds = [
        Number(19, **NUMBER),
        Number(0.5, tol=0.1, **NUMBER),
        Shape((4, 5), **SHAPE),
        Shape((3,), **SHAPE),
        Choice("b", why={"a": "no", "c": "no"}, hints="h"),
        question(lambda X: X * 2, lambda g: (torch.randn(2, 3, generator=g),), draws=2),
    ]
    for kind in kinds:
        if not kind.unanswered(answer):
            right, message = kind.judge(answer)
            assert isinstance(right, bool) and message and "\n" not in message.strip()


@settings(max_examples=150, deadline=None)
@given(ODD)
def test_no_result_raises(result):
    kinds = [
        question(lambda X: X * 2, lambda g: (torch.randn(2, 3, generator=g),), draws=2),
        question(lambda X: X.shape, lambda g: (torch.randn(2, 3, generator=g),), draws=2),
        question(lambda X: (X, 3), lambda g: (torch.randn(2, 3, generator=g),), draws=2),
        question(lambda X: X.numel(), lambda g: (torch.randn(2, 3, generator=g),), draws=2),
    ]
    for kind in kinds:
        right, message = kind.judge(lambda X: result)
        assert isinstance(right, bool) and message


@pytest.mark.parametrize("answer", HARD + UNWRITTEN, ids=lambda value: wording.quoted(value, 24))
def test_hard_answer_and_result(answer, said):
    test_no_answer_raises.hypothesis.inner_test(answer)
    test_no_result_raises.hypothesis.inner_test(answer)
    for id in "01.1", "01.2", "01.3", "01.4":
        assert said(check, id, answer).splitlines()[0][0] in "✓✗"
        assert len(said(check, id, answer)) < 300


HUGE = 10**400
PLACES = Shape((4, 7), **SHAPE, axes=("height", "width"))


@pytest.mark.parametrize(
    "kind, answer, message",
    [
        (PLACES, (HUGE, 7), "about 10^400 is no size; no axis is that long"),
        (PLACES, (4, -HUGE), "about -10^400 is no size; no axis is that long"),
        (PLACES, (2**63, 7), "9,223,372,036,854,775,808 is no size; no axis is that long"),
        (PLACES, (2**62, 7), "the 1st number (height) is too large, the rest is right"),
        (PLACES, (10**5000, 7), "about 10^5000 is no size; no axis is that long"),
        (PLACES, (Fraction(HUGE), 7), "inf is no size; write a whole number for every axis"),
        (PLACES, (1e300, 7), "1e+300 is no size; no axis is that long"),
        (
            PLACES,
            (Decimal("4.5"), 7),
            "4.5 is not a whole number; which way does the formula round?",
        ),
        (
            PLACES,
            (Fraction(9, 2), 7),
            "4.5 is not a whole number; which way does the formula round?",
        ),
        (PLACES, (Decimal(4), Fraction(7)), None),
        (PLACES, ("4", 7), "'4' is no size; write a whole number for every axis"),
        (PLACES, ((4, 7),), "(4, 7) is no size; write a whole number for every axis"),
        (PLACES, (4, math.nan), "nan is no size; write a whole number for every axis"),
        (PLACES, (4, 7j), "7j is no size; write a whole number for every axis"),
        (PLACES, {4, 7}, "that is a set; a shape is a tuple such as (2, 5)"),
        (
            PLACES,
            "4×7",
            "that is the text '4×7'; write the shape as a tuple such as (2, 5), without quotes",
        ),
        (PLACES, tuple, "that is a class (tuple); a shape is a tuple such as (2, 5)"),
        (PLACES, torch.tensor([4.0, 7.0], requires_grad=True), None),
        (PLACES, torch.tensor([4, 7]).to_sparse(), None),
        (
            PLACES,
            nn.LazyLinear(3).weight,
            "that is a tensor without a shape itself; give its shape, a tuple such as (2, 5)",
        ),
        (
            Number(19, **NUMBER),
            HUGE,
            "that is about 10^400; the answer is a finite number of common size",
        ),
        (
            Number(19, **NUMBER),
            10**5000,
            "that is about 10^5000; the answer is a finite number of common size",
        ),
        (Number(19, **NUMBER), Fraction(HUGE), "that is inf; the answer is a finite number"),
        (Number(19, **NUMBER), math.nan, "that is nan; the answer is a finite number"),
        (Number(19, **NUMBER), Decimal("sNaN"), "that is nan; the answer is a finite number"),
        (Number(19, **NUMBER), Decimal(19), None),
        (Number(19, **NUMBER), Fraction(38, 2), None),
        (
            Number(19, **NUMBER),
            Decimal("38"),
            "exactly 2 times too large: which factor of 2 is too many?",
        ),
        (Number(19, **NUMBER), torch.tensor(19.0, requires_grad=True), "whole"),
        (
            Number(19, **NUMBER),
            torch.tensor(19, device="meta"),
            "that is a tensor without axes; one number is asked",
        ),
        (Number(19, **NUMBER), int, "that is a class (int); one number is asked"),
        (Number(19, **NUMBER), {19}, "that is a set; one number is asked"),
        (
            Number(19, **NUMBER),
            "19",
            "that is the text '19'; give the number without quotes and without its unit",
        ),
        (Choice("b", why={"a": "not a"}, hints="h"), frozenset("b"), None),
        (
            Choice("b", why={"a": "not a"}, hints="h"),
            b"b",
            "that is a bytes; give the letter of an option in quotes: a or b",
        ),
        (
            Choice("b", why={"a": "not a"}, hints="h"),
            "x" * 999,
            f"'{'x' * 56}... is none of the options a or b",
        ),
    ],
    ids=lambda value: wording.quoted(value, 24),
)
def test_hard_answer_hears(kind, answer, message):
    "A message, or None or a word of the remark where the answer is right"
    right, said = kind.judge(answer)
    if message is None or message == "whole":
        assert right and (message or "right.") in said
    else:
        assert (right, said) == (False, message)


def triple(X):
    return X * 3


TRIPLE = dict(reference=triple, inputs=lambda g: (torch.randn(2, 3, generator=g),))


class Hostile:
    "Raises whatever is asked of it"

    def __getattribute__(self, name):
        raise OverflowError("no " + name)

    def __repr__(self):
        raise OverflowError("no text")


class Silent(Exception):
    def __str__(self):
        raise OverflowError("no text")


def recurses(X):
    return recurses(X)


def silent(X):
    raise Silent


def yields(X):
    yield X * 3


@pytest.mark.parametrize(
    "answer, fragment",
    [
        (lambda X: HUGE, "your function returned a number; a tensor is asked"),
        (lambda X: (X * 3).numpy(), "NumPy array; a tensor is asked (stay in torch"),
        (lambda X: sys.exit(), "your function raised SystemExit for X of shape (2, 3)"),
        (recurses, "your function raised RecursionError for X of shape (2, 3)"),
        (silent, "your function raised Silent for X of shape (2, 3), at `raise Silent`"),
        (yields, "your function returned a generator; a tensor is asked"),
        (print, "your function returned None; does it end with return?"),
        (nn.Linear, "your function takes (in_features: int, out_features: int, bias"),
        (nn.Linear(3, 3), "right shape, wrong values"),
        (int, "your function raised"),
        (lambda X: Hostile(), "cannot be compared"),
        (lambda X: [X * 3, LOOP], "your function returned a list; a tensor is asked"),
        (lambda X: nn.LazyLinear(3).weight, "your function returned"),
        (lambda X: X.mul_(3), "the result is right, but your function changes its input X"),
        (lambda X: (X * 3).to("meta"), "on the meta device"),
        (lambda X: X.resize_(0), "shape (0,), but (2, 3) is right"),
        (lambda X: X * 3 if X[0, 0] > 0 else None, "your function returned None"),
        (lambda X: X * 6 if X[0, 0] > 0 else None, "every value is 2 times too large"),
        (lambda X: X / 0, "you have "),
    ],
)
def test_hard_function_hears(answer, fragment, said):
    exercise("98.1", question(**TRIPLE, mistakes={k: (lambda X: X, "one two three") for k in "ab"}))
    out = said(check, "98.1", answer)
    assert "✗ 98.1: " in out and fragment in out, out


@pytest.mark.parametrize(
    "results",
    [
        lambda X: (X, 3) if X[0, 0] > 0 else (X, 2),
        lambda X: (X + 1, 3) if X[0, 0] > 0 else None,
        lambda X: (X + 1, 3) if X[0, 0] > 0 else 5,
        lambda X: (X + 1, 3) if X[0, 0] > 0 else (X,),
        lambda X: (X, HUGE),
        lambda X: (HUGE, X),
    ],
)
def test_results_of_several_types_are_told_apart(results):
    for reference in (lambda X: (X, 3)), (lambda X: (X, 3)[: 1 + (X[0, 1] > 0)]), lambda X: [4, 5]:
        right, message = question(reference, TRIPLE["inputs"]).judge(results)
        assert not right and message


def test_a_hostile_object_is_told_so(said):
    for id in "01.1", "01.2", "01.3", "01.4":
        assert said(check, id, Hostile()).startswith(f"✗ {id}: that Hostile cannot be compared: ")


def test_an_argument_that_comes_to_hold_itself():
    def grows(Xs):
        Xs.append(Xs)
        return Xs[0] * 3

    kind = question(lambda Xs: Xs[0] * 3, lambda g: ([torch.randn(2, 3, generator=g)],))
    assert "the result is right, but your function changes its input Xs" in kind.judge(grows)[1]


def test_an_endless_loop_ends(said):
    def endless(X):
        i = 0
        while i < 3:
            with contextlib.suppress(Exception):
                X = X + 1
        return X

    kind = question(**TRIPLE, mistakes={k: (lambda X: X, "one two three") for k in "ab"})
    kind.patience = 0.2
    exercise("98.1", kind)
    start, state = time.perf_counter(), torch.get_rng_state()
    out = said(check, "98.1", endless)
    assert (
        out.splitlines()[0]
        == "✗ 98.1: your function is still running after 0.2 seconds for X of shape (2, 3);"
        " does a loop in it ever end?"
    )
    assert time.perf_counter() - start < 10 and torch.equal(state, torch.get_rng_state())
    only_later = kind.judge(lambda X: X * 3 if X[0, 0] > 0 else endless(X))[1]
    assert only_later.startswith("your function is still running")
    assert said(check, "98.1", triple) == "✓ 98.1: right, on 8 random inputs.\n"
    assert question(**TRIPLE).patience >= 10


def test_the_limit_leaves_no_error_behind():
    for k in range(60):
        with contextlib.suppress(calls.OutOfTime):
            with calls.time_limit(0.001):
                time.sleep(0.0001 * (k % 20))
    for _ in range(200_000):
        pass
    assert not any(isinstance(t, threading.Timer) and t.is_alive() for t in threading.enumerate())


def test_a_stop_by_the_reader_goes_through():
    def stopped(X):
        raise KeyboardInterrupt

    state = torch.get_rng_state(), random.getstate()
    with pytest.raises(KeyboardInterrupt):
        question(**TRIPLE).judge(stopped)
    assert torch.equal(state[0], torch.get_rng_state()) and state[1] == random.getstate()


@pytest.mark.parametrize(
    "around", [torch.no_grad, torch.inference_mode, lambda: torch.device("meta")]
)
def test_judging_in_another_mode(around):
    with around():
        assert question(**TRIPLE).judge(triple)[0]
        assert question(**TRIPLE).judge(lambda X: torch.ones(2, 3) * X * 3)[0]
        wrong = question(**TRIPLE).judge(lambda X: X * 6)[1]
    assert wrong == "every value is 2 times too large"


@pytest.mark.parametrize("left_on", [torch.inference_mode(), torch.no_grad()])
def test_a_function_in_another_mode(left_on):
    assert question(**TRIPLE).judge(left_on(triple))[0]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**700), 10**700), st.integers(-9, 9) | st.fractions() | st.decimals())
def test_numbers_of_every_size_have_a_verdict(big, other):
    for answer in big, other, (big, other), [other, big]:
        for kind in Number(19, **NUMBER), PLACES, Number(0.25, tol=0.1, **NUMBER):
            right, message = kind.judge(answer)
            assert isinstance(right, bool) and len(message) < 300
        for reference in (lambda: 7), (lambda: 2.5), (lambda: (4, 7)), lambda: torch.tensor(7.0):
            right, message = question(reference, lambda g: ()).judge(lambda: answer)
            assert isinstance(right, bool) and message


def test_each_kind_stays_where_it_was():
    assert set(kit.__all__) == {*"exercise exercises check hint".split(), *KINDS}
    assert all(getattr(kit, name) is getattr(answers, name) for name in KINDS)


KINDS = "Exercise Number Shape Choice Function".split()


@pytest.mark.parametrize("module", [wording, calls, clues, diagnose, answers, kit])
def test_a_module_imports_only_those_before_it(module):
    order = ["wording", "calls", "clues", "diagnose", "answers", "check"]
    source = inspect.getsource(module)
    assert source.count("\n") <= 450
    used = re.findall(r"^from \.(\w+) import", source, re.M)
    used = [name for name in used if name not in ("checks", "guard")]
    assert all(order.index(name) < order.index(module.__name__.split(".")[1]) for name in used)
    for name, thing in vars(module).items():
        if inspect.isfunction(thing) or inspect.isclass(thing):
            assert thing.__module__ != module.__name__ or inspect.getdoc(thing), name


def test_public_functions_are_documented():
    for thing in (
        Number,
        Shape,
        Choice,
        Function,
        check,
        hint,
        exercise,
        kit.exercises,
        Number.judge,
        Shape.judge,
        Choice.judge,
        Function.judge,
        Function.drawn,
    ):
        assert inspect.getdoc(thing)
