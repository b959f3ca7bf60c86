"""Set-sum regression as plain PyTorch: network, sets, objective, augmentation, training, prediction."""
