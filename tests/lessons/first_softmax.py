# First edition: softmax regression from scratch with train_ch3 and an updater of one's own, then with an optimizer
import torch
from torch import nn
from d2lcnn import torch as d2l

batch_size = 256
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)
torch.manual_seed(0)
W = torch.normal(0, 0.01, size=(784, 10), requires_grad=True)
b = torch.zeros(10, requires_grad=True)


def softmax(X):
    X_exp = torch.exp(X)
    return X_exp / X_exp.sum(1, keepdim=True)


def net(X):
    return softmax(torch.matmul(X.reshape((-1, W.shape[0])), W) + b)


def cross_entropy(y_hat, y):
    return -torch.log(y_hat[range(len(y_hat)), y])


d2l.train_ch3(net, train_iter, test_iter, cross_entropy, 1, lambda batch_size: d2l.sgd([W, b], 0.1, batch_size))
print(f'test acc {d2l.evaluate_accuracy(net, test_iter):.3f}')

concise = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
trainer = torch.optim.SGD(concise.parameters(), lr=0.1)
loss = nn.CrossEntropyLoss(reduction='none')
print('epoch:', d2l.train_epoch_ch3(concise, train_iter, loss, trainer))
d2l.train_ch3(concise, train_iter, test_iter, loss, 1, trainer)
print(f'test acc {d2l.evaluate_accuracy(concise, test_iter):.3f}')
d2l.predict_ch3(concise, test_iter)
assert len(d2l.plt.get_fignums()) == 3
d2l.plt.show()
