# First edition: network in network
import torch
from torch import nn
from d2lcnn import torch as d2l
from few import Few


def nin_block(in_channels, out_channels, kernel_size, strides, padding):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, strides, padding), nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1), nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1), nn.ReLU())


torch.manual_seed(1)
net = nn.Sequential(
    nin_block(1, 24, kernel_size=5, strides=2, padding=0), nn.MaxPool2d(3, stride=2),
    nin_block(24, 48, kernel_size=3, strides=1, padding=1), nn.MaxPool2d(2),
    nin_block(48, 10, kernel_size=3, strides=1, padding=1),
    d2l.GlobalAvgPool2d(), d2l.FlattenLayer())
train_iter, test_iter = d2l.load_data_fashion_mnist(64, resize=(28, 28))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
d2l.train_ch5(net, Few(train_iter, 150), Few(test_iter, 20), 64, 'cpu', optimizer, 2)
print('checked again:', d2l.evaluate_accuracy(Few(test_iter, 20), net), d2l.evaluate_accuracy_gpu(net, Few(test_iter, 20)))
