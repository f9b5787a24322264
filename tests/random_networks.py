"""Networks with random weights, for tests that need no trained one."""

import torch


def randomised(build, seed=3):
    """What ``build()`` makes, with batch statistics far from their defaults, so that a forgotten one shows."""
    torch.manual_seed(seed)
    model = build()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.2, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.3)
    return model.eval()
