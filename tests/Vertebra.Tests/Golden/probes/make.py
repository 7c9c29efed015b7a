"""Golden values for the probes: a small set of features, and what PyTorch in float64 makes of it.

    /usr/bin/python3 make.py

Writes probes.json: features and labels of a training and a test set; weights and bias of the multinomial logistic regression
on standardised features, mean cross-entropy plus l2 / 2 times the squared norm of the weights, minimised to a gradient of
1e-10; and the votes of the weighted nearest neighbours, as DINO's eval_knn.py states them.
"""
import json
import os

import torch

torch.manual_seed(5)
CLASSES, DIMENSIONS, TRAIN, TEST, K, T, L2 = 3, 6, 60, 20, 5, 0.07, 0.01
centres = torch.randn(CLASSES, DIMENSIONS, dtype=torch.float64)


def make(count):
    labels = torch.arange(count) % CLASSES
    features = centres[labels] + 1.2 * torch.randn(count, DIMENSIONS, dtype=torch.float64)
    return (features * torch.tensor([1, 10, 0.1, 3, 1, 2], dtype=torch.float64) + 4).float().double(), labels


def logistic(features, labels):
    x = (features - features.mean(0)) / features.std(0, unbiased=False)
    weight = torch.zeros(CLASSES, DIMENSIONS, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=2000, tolerance_grad=1e-10, tolerance_change=1e-16, line_search_fn="strong_wolfe")

    def closure():
        solver.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weight.T + bias, labels) + L2 / 2 * weight.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return weight.detach(), (bias - bias.mean()).detach(), float(closure())


def neighbours(train, labels, test):
    similarity = torch.nn.functional.normalize(test, dim=1) @ torch.nn.functional.normalize(train, dim=1).T
    value, index = similarity.topk(K, largest=True, sorted=True)
    votes = torch.zeros(len(test), CLASSES, dtype=torch.float64)
    return votes.scatter_add_(1, labels[index], (value / T).exp())


train, train_labels = make(TRAIN)
test, test_labels = make(TEST)
weight, bias, loss = logistic(train, train_labels)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "probes.json"), "w") as file:
    json.dump({
        "k": K, "temperature": T, "l2": L2, "classes": CLASSES, "dimensions": DIMENSIONS,
        "train": train.flatten().tolist(), "train_labels": train_labels.tolist(), "test": test.flatten().tolist(), "test_labels": test_labels.tolist(),
        "weight": weight.flatten().tolist(), "bias": bias.tolist(), "loss": loss, "votes": neighbours(train, train_labels, test).flatten().tolist(),
    }, file)
    file.write("\n")
