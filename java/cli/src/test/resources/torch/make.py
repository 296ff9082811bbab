"""Writes the models of TorchModelsTest: a.pt and b.pt, with the same tensors in *.safetensors (torch 2.13)."""

import torch
from safetensors.torch import save_file

torch.manual_seed(11)
for name in "ab":
    net = torch.nn.Sequential()
    net.add_module("fc1", torch.nn.Linear(4, 6))
    net.add_module("fc2", torch.nn.Linear(6, 3))
    state = net.state_dict()
    save_file(state, f"{name}.safetensors", metadata={"format": "pt"})
    # Adam's state beside it, and one weight stored across.
    state["fc1.weight"] = state["fc1.weight"].t().contiguous().t()
    torch.save({"state_dict": state, "epoch": 3, "optimizer": torch.optim.Adam(net.parameters()).state_dict()}, f"{name}.pt")
