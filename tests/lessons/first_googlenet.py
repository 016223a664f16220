# First edition: a GoogLeNet of two Inception blocks with batch normalisation
import torch
from torch import nn
from torch.nn import functional as F
from d2lcnn import torch as d2l
from few import Few


class Inception(nn.Module):
    def __init__(self, in_channels, c1, c2, c3, c4, **kwargs):
        super(Inception, self).__init__(**kwargs)
        self.p1_1 = nn.Conv2d(in_channels, c1, kernel_size=1)
        self.p2_1 = nn.Conv2d(in_channels, c2[0], kernel_size=1)
        self.p2_2 = nn.Conv2d(c2[0], c2[1], kernel_size=3, padding=1)
        self.p3_1 = nn.Conv2d(in_channels, c3[0], kernel_size=1)
        self.p3_2 = nn.Conv2d(c3[0], c3[1], kernel_size=5, padding=2)
        self.p4_1 = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        self.p4_2 = nn.Conv2d(in_channels, c4, kernel_size=1)

    def forward(self, x):
        p1 = F.relu(self.p1_1(x))
        p2 = F.relu(self.p2_2(F.relu(self.p2_1(x))))
        p3 = F.relu(self.p3_2(F.relu(self.p3_1(x))))
        p4 = F.relu(self.p4_2(self.p4_1(x)))
        return torch.cat((p1, p2, p3, p4), dim=1)


torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(1, 24, 5, stride=2, padding=2), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
                    Inception(24, 16, (12, 24), (4, 8), 8), nn.BatchNorm2d(56), Inception(56, 24, (16, 32), (4, 16), 16), nn.MaxPool2d(3, 2, 1),
                    nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(88, 10))
train_iter, test_iter = d2l.load_data_fashion_mnist(64, resize=32)
d2l.train_ch6(net, Few(train_iter, 150), Few(test_iter, 20), 2, 0.1, d2l.try_gpu())
