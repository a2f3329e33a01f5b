#!/usr/bin/env bash
# torch 2.13.0: optim.NAdam keeps the product of its momentum schedule (mu_product) in the default dtype, float32, also for float64
# weights, whose steps are then those of a rounded number: off by 1e-10 or more, where Adam's are exact to float64's rounding.
# Seen: "mu_product is torch.float32; NAdam is off by more than 1e-11: True".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
seen=$(venv/bin/python -c '
import torch
def trained():
    weight = torch.linspace(-1, 1, 9, dtype=torch.float64).requires_grad_()
    optimizer = torch.optim.NAdam([weight], lr=0.01)
    for step in range(20):
        optimizer.zero_grad()
        ((weight - step / 7) ** 4).sum().backward()
        optimizer.step()
    return weight.detach(), optimizer.state[weight]["mu_product"].dtype
usual, dtype = trained()
torch.set_default_dtype(torch.float64)
exact, _ = trained()
off = float((usual - exact).abs().max())
print(f"after 20 steps {off:.1e} apart")
print(f"mu_product is {dtype}; NAdam is off by more than 1e-11: {off > 1e-11}")
' | tail -n 2)
echo "$seen"
grep -q "mu_product is torch.float32; NAdam is off by more than 1e-11: True" <<<"$seen"
