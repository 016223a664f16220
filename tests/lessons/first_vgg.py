# First edition: VGG from blocks, an eighth of the width
import torch
from torch import nn
from d2lcnn import torch as d2l
from few import Few


def vgg_block(num_convs, in_channels, out_channels):
    layers = []
    for _ in range(num_convs):
        layers.append(nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1))
        layers.append(nn.ReLU())
        in_channels = out_channels
    layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


def vgg(conv_arch):
    blocks, in_channels = [], 1
    for (num_convs, out_channels) in conv_arch:
        blocks.append(vgg_block(num_convs, in_channels, out_channels))
        in_channels = out_channels
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(out_channels, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))


torch.manual_seed(0)
ratio = 8
small = [(n, c // ratio) for n, c in ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))]
net = vgg(small)
train_iter, test_iter = d2l.load_data_fashion_mnist(32, resize=32)
d2l.train_ch6(net, Few(train_iter, 250), Few(test_iter, 20), 2, 0.1, d2l.try_gpu())
