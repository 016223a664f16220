#!/usr/bin/env python3
"""A LeNet epoch on Fashion-MNIST: this book's pipeline against the usual loop, interleaved in one run.

    python scripts/bench_lenet.py [--rounds 3] [--limit N]

The usual loop: torchvision transforms on one picture at a time, a DataLoader with 0 or 2 worker processes, loss and accuracy
asked for with .item() in every batch. Prints examples/s of every round, the medians, and the ratio to the better of the two."""
import argparse
import os
import platform
import statistics
import time

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

from d2lcnn.data import data_root, fashion_mnist, fetch
from d2lcnn.lenet import lenet
from d2lcnn.train import fit, try_gpu, xavier


def usual_epoch(net, loader, optimizer, device):
    net.train(); loss_sum = correct = n = 0
    for X, y in loader:
        X, y = X.to(device), y.to(device)
        optimizer.zero_grad(); Y_hat = net(X); l = F.cross_entropy(Y_hat, y); l.backward(); optimizer.step()
        loss_sum += l.item() * len(y); correct += (Y_hat.argmax(1) == y).sum().item(); n += len(y)
    return loss_sum / n, correct / n


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument('--rounds', type=int, default=3); ap.add_argument('--limit', type=int, default=None, help='at most so many training pictures')
    ap.add_argument('--batch-size', type=int, default=256); a = ap.parse_args()
    device = try_gpu(); fetch()
    ours = fashion_mnist(a.batch_size, valid=0, limit=a.limit)
    whole = datasets.FashionMNIST(data_root(), train=True, transform=transforms.ToTensor())
    part = whole if a.limit is None else Subset(whole, range(a.limit))
    loaders = {f'usual loop, {w} workers': DataLoader(part, a.batch_size, shuffle=True, num_workers=w) for w in (0, 2)}
    rates = {name: [] for name in ('this book', *loaders)}
    print(f'LeNet, {ours.train.n:,} pictures, batch {a.batch_size}, {a.rounds} rounds; torch {torch.__version__}, {device}, '
          f'{os.cpu_count()} CPUs ({platform.machine()}), Python {platform.python_version()}')
    fit(lenet(), (ours.train, None, None), 1, .9, init='xavier', verbose=False)  # warm up
    for r in range(a.rounds):
        h = fit(lenet(), (ours.train, None, None), 1, .9, init='xavier', verbose=False)
        rates['this book'].append(ours.train.n / h.seconds[0])
        for name, loader in loaders.items():
            net = xavier(lenet()).to(device); opt = torch.optim.SGD(net.parameters(), lr=.9)
            start = time.perf_counter(); usual_epoch(net, loader, opt, device)
            rates[name].append(len(part) / (time.perf_counter() - start))
        print(f'round {r + 1}: ' + '; '.join(f'{n} {v[-1]:,.0f}/s' for n, v in rates.items()), flush=True)
    medians = {n: statistics.median(v) for n, v in rates.items()}; best = max(v for n, v in medians.items() if n in loaders)
    for n, v in medians.items(): print(f'{n:<24} median {v:>9,.0f} examples/s   (from {min(rates[n]):,.0f} to {max(rates[n]):,.0f})')
    print(f'ratio to the better usual loop: {medians["this book"] / best:.2f}')


if __name__ == '__main__': main()
