# First edition: dense blocks and a transition
import torch
from torch import nn
from d2lcnn import torch as d2l
from few import Few


def conv_block(input_channels, num_channels):
    return nn.Sequential(nn.BatchNorm2d(input_channels), nn.ReLU(), nn.Conv2d(input_channels, num_channels, kernel_size=3, padding=1))


class DenseBlock(nn.Module):
    def __init__(self, num_convs, input_channels, num_channels):
        super(DenseBlock, self).__init__()
        self.net = nn.Sequential(*[conv_block(num_channels * i + input_channels, num_channels) for i in range(num_convs)])

    def forward(self, X):
        for blk in self.net:
            Y = blk(X)
            X = torch.cat((X, Y), dim=1)
        return X


def transition_block(input_channels, num_channels):
    return nn.Sequential(nn.BatchNorm2d(input_channels), nn.ReLU(), nn.Conv2d(input_channels, num_channels, kernel_size=1), nn.AvgPool2d(2, 2))


torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
                    DenseBlock(3, 16, 8), transition_block(40, 20), DenseBlock(3, 20, 8), nn.BatchNorm2d(44), nn.ReLU(),
                    nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(44, 10))
train_iter, test_iter = d2l.load_data_fashion_mnist(64, resize=32)
d2l.train_ch6(net, Few(train_iter, 150), Few(test_iter, 20), 2, 0.1, d2l.try_gpu())
