# Second edition: residual blocks with lazy channels, from an architecture list; then the ResNeXt block
import torch
from torch import nn
from d2lcnn import torch as d2l
from few import Few


class ResNet(d2l.Classifier):
    def b1(self):
        return nn.Sequential(nn.LazyConv2d(16, kernel_size=3, stride=2, padding=1), nn.LazyBatchNorm2d(), nn.ReLU())

    def block(self, num_residuals, num_channels, first_block=False):
        blk = []
        for i in range(num_residuals):
            if i == 0 and not first_block:
                blk.append(d2l.Residual(num_channels, use_1x1conv=True, strides=2))
            else:
                blk.append(d2l.Residual(num_channels))
        return nn.Sequential(*blk)

    def __init__(self, arch, lr=0.1, num_classes=10):
        super(ResNet, self).__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(self.b1())
        for i, b in enumerate(arch):
            self.net.add_module(f'b{i+2}', self.block(*b, first_block=(i == 0)))
        self.net.add_module('last', nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.LazyLinear(num_classes)))
        self.net.apply(d2l.init_cnn)


class FewFashionMNIST(d2l.FashionMNIST):
    def get_dataloader(self, train):
        return Few(super().get_dataloader(train), 300 if train else 30)


torch.manual_seed(0)
model = ResNet(arch=((1, 16), (1, 32)), lr=0.05)
trainer = d2l.Trainer(max_epochs=1, num_gpus=1, gradient_clip_val=5)
data = FewFashionMNIST(batch_size=32, resize=(32, 32))
model.apply_init([next(iter(data.get_dataloader(True)))[0]], d2l.init_cnn)
trainer.fit(model, data)
print(f'val acc {d2l.evaluate_accuracy(model, data.val_dataloader()):.3f}')
print(d2l.ResNeXtBlock(32, 16, 1)(d2l.randn(4, 32, 24, 24)).shape)
