# d2lzh_pytorch: train_ch3 with its own argument order, and by hand with parameters
import torch
from torch import nn
from torch.nn import init
from d2lcnn import torch as d2l

batch_size = 256
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)
torch.manual_seed(0)
net = nn.Sequential(d2l.FlattenLayer(), nn.Linear(784, 10))
init.normal_(net[1].weight, mean=0, std=0.01)
init.constant_(net[1].bias, val=0)
loss = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
d2l.train_ch3(net, train_iter, test_iter, loss, 1, batch_size, None, None, optimizer)

W = torch.tensor(0.01 * torch.randn(784, 10).numpy(), requires_grad=True)
b = torch.zeros(10, requires_grad=True)
d2l.train_ch3(lambda X: X.view(-1, 784) @ W + b, train_iter, test_iter, nn.CrossEntropyLoss(), 1, batch_size, [W, b], 0.1)
X, y = next(iter(test_iter))
d2l.show_fashion_mnist(X[:9], d2l.get_fashion_mnist_labels(y[:9].numpy()))
