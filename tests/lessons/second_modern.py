# Second edition: AlexNet, VGG and DenseNet style classifiers, each for a few batches, and a loss of one's own
import torch
from torch import nn
from d2lcnn import torch as d2l
from few import Few


class AlexNet(d2l.Classifier):
    def __init__(self, lr=0.1, num_classes=10):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.LazyConv2d(32, kernel_size=5, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(kernel_size=3, stride=2),
            nn.LazyConv2d(64, kernel_size=3, padding=1), nn.ReLU(), nn.Flatten(),
            nn.LazyLinear(128), nn.ReLU(), nn.Dropout(p=0.5), nn.LazyLinear(num_classes))
        self.net.apply(d2l.init_cnn)


class VGG(d2l.Classifier):
    def __init__(self, arch, lr=0.1, num_classes=10):
        super().__init__()
        self.save_hyperparameters(ignore=['arch'])
        blocks = []
        for num_convs, out_channels in arch:
            for _ in range(num_convs): blocks += [nn.LazyConv2d(out_channels, kernel_size=3, padding=1), nn.ReLU()]
            blocks.append(nn.MaxPool2d(kernel_size=2, stride=2))
        self.net = nn.Sequential(*blocks, nn.Flatten(), nn.LazyLinear(64), nn.ReLU(), nn.LazyLinear(num_classes))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class DenseNet(d2l.Classifier):
    def __init__(self, lr=0.1, num_classes=10):
        super().__init__()
        self.save_hyperparameters()
        self.stem = nn.LazyConv2d(12, kernel_size=3, stride=2)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LazyBatchNorm2d(), nn.ReLU(), nn.LazyConv2d(12, kernel_size=3, padding=1)) for _ in range(2))
        self.head = nn.Sequential(nn.LazyBatchNorm2d(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(num_classes))

    def forward(self, X):
        X = self.stem(X)
        for block in self.blocks: X = d2l.concat((X, block(X)), 1)
        return self.head(X)


class Data(d2l.FashionMNIST):
    def get_dataloader(self, train):
        return Few(super().get_dataloader(train), 250 if train else 20)


torch.manual_seed(0)
data = Data(batch_size=32, resize=(28, 28))
for model in (AlexNet(lr=0.1), VGG(arch=((1, 16), (1, 32)), lr=1e-3), DenseNet(lr=0.1)):
    model(next(iter(data.train_dataloader()))[0])
    d2l.Trainer(max_epochs=2).fit(model, data)
    print(f'{type(model).__name__}: val acc {d2l.evaluate_accuracy(model, data.val_dataloader()):.3f}, hparams {sorted(model.hparams)}')
