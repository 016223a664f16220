# d2lzh_pytorch: AlexNet at a quarter of its width, as a class, with Adam and train_ch5
import time
import torch
from torch import nn, optim
from torch.nn import init
from d2lcnn import torch as d2l
from few import Few

device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')


class AlexNet(nn.Module):
    def __init__(self):
        super(AlexNet, self).__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 24, 11, 4), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(24, 64, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 96, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(96, 96, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(96, 64, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.fc = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10))

    def forward(self, img):
        feature = self.conv(img)
        return self.fc(feature.view(img.shape[0], -1))


torch.manual_seed(0)
net = AlexNet()
for name, param in net.named_parameters():
    if 'weight' in name:
        init.kaiming_normal_(param)
batch_size = 32
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, resize=67)
lr, num_epochs = 0.001, 2
optimizer = torch.optim.Adam(net.parameters(), lr=lr)
d2l.train_ch5(net, Few(train_iter, 90), Few(test_iter, 30), batch_size, device, optimizer, num_epochs)
