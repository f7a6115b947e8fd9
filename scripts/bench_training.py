"""The paper's MLP trained and pruned in eager PyTorch, as one would write it: bench_training.py EPOCHS THREADS

60,000 random images and labels, 784-256x4-10, batches of 128, Adam; then as many epochs again while the smallest weights are cut,
chosen every 10 steps on the cubic schedule from 50 % to 90 %. Prints the seconds of training, tests after epochs included.
"""
import sys
import time

import torch
from torch import nn

EVERY, FIRST, LAST = 10, 0.5, 0.9


def main():
    epochs, threads = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (70_000, 784), dtype=torch.uint8)
    labels = torch.randint(0, 10, (70_000,))
    (train, test), (classes, test_classes) = images.split(60_000), labels.split(60_000)
    widths = [784, 256, 256, 256, 256, 10]
    layers = [nn.Linear(d_in, d_out) for d_in, d_out in zip(widths, widths[1:])]
    net = nn.Sequential(*[module for layer in layers for module in (layer, nn.ReLU())][:-1])
    steps = epochs * -(-len(train) // 128)
    start = time.perf_counter()
    for pruning in (False, True):
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7)
        masks, step = None, 0
        for _ in range(epochs):
            total, right = 0.0, 0
            for indices in torch.randperm(len(train)).split(128):
                if pruning:
                    if step % EVERY == 0:
                        share = LAST + (FIRST - LAST) * (1 - step / steps) ** 3
                        masks = [mask(layer.weight, share) for layer in layers]
                    apply(layers, masks)
                loss, output = forward(net, train[indices], classes[indices])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.detach()
                right += (output.detach().argmax(1) == classes[indices]).sum()
                step += 1
            if pruning:
                apply(layers, masks)
            with torch.no_grad():
                correct = sum((forward(net, x, y)[1].argmax(1) == y).sum()
                              for x, y in zip(test.split(1000), test_classes.split(1000)))
            print(f"loss {total / (step or 1):.4f}, accuracy {right / len(train):.4f}, test {correct / len(test):.4f}", file=sys.stderr)
    print(time.perf_counter() - start)


def forward(net, images, classes):
    output = net(images.float() / 255)
    return nn.functional.cross_entropy(output, classes), output


def mask(weight, share):
    magnitudes = weight.detach().abs()
    kept = round(weight.numel() * (1 - share))
    return (magnitudes >= magnitudes.flatten().kthvalue(weight.numel() - kept + 1).values).float()


def apply(layers, masks):
    with torch.no_grad():
        for layer, mask in zip(layers, masks):
            layer.weight.mul_(mask)


if __name__ == "__main__":
    main()
