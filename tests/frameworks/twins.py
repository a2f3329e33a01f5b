"""torch's network beside the NumPy one."""

from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu2(x + y)  # type: ignore[no-any-return]


def small() -> nn.Module:
    layers = dict(
        conv1=nn.Conv2d(3, 8, 3, 2, 1, bias=False),
        bn1=nn.BatchNorm2d(8),
        relu=nn.ReLU(),
        block=Block(8),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(8, 5),
    )
    model = nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    return model
