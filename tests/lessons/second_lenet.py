# Second edition: LeNet as a Classifier with lazy layers
import torch
from torch import nn
from d2lcnn import torch as d2l


def init_cnn(module):
    if type(module) == nn.Linear or type(module) == nn.Conv2d:
        nn.init.xavier_uniform_(module.weight)


class LeNet(d2l.Classifier):
    def __init__(self, lr=0.1, num_classes=10):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.LazyConv2d(6, kernel_size=5, padding=2), nn.Tanh(), nn.AvgPool2d(kernel_size=2, stride=2),
            nn.LazyConv2d(16, kernel_size=5), nn.Tanh(), nn.AvgPool2d(kernel_size=2, stride=2), nn.Flatten(),
            nn.LazyLinear(120), nn.Tanh(), nn.LazyLinear(84), nn.Tanh(), nn.LazyLinear(num_classes))


@d2l.add_to_class(d2l.Classifier)
def shapes(self, X_shape):
    X = d2l.randn(*X_shape)
    for layer in self.net:
        X = layer(X)
        print(layer.__class__.__name__, 'output shape:\t', X.shape)


torch.manual_seed(0)
trainer = d2l.Trainer(max_epochs=1, num_gpus=1)
data = d2l.FashionMNIST(batch_size=128)
print(len(data.train), len(data.val), data.train[0][0].shape)
model = LeNet(lr=0.1)
model.apply_init([next(iter(data.get_dataloader(True)))[0]], init_cnn)
model.layer_summary((1, 1, 28, 28))
model.shapes((2, 1, 28, 28))
trainer.fit(model, data)
model.eval()
print(f'val acc {d2l.evaluate_accuracy(model, data.val_dataloader()):.3f}, lr {model.lr}, board {list(model.board.lines)}')
data.visualize(next(iter(data.val_dataloader())))
