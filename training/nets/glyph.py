"""The network that reads panel letters: three small convolutions on a shape and what stands beside it."""

from __future__ import annotations

from torch import Tensor, nn

WIDTHS = (10, 20, 36)


class GlyphNet(nn.Module):
    """Logits of the letters, and of no letter at all.

    Args:
        classes: number of outputs.
        side: of the squares, px; a multiple of eight.
    """

    def __init__(self, classes: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for width in WIDTHS:
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.features = nn.Sequential(*layers)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(before * (side // 8) ** 2, classes)

    def forward(self, glyphs: Tensor) -> Tensor:
        """Score shapes.

        Args:
            glyphs: float32 [n, 1, side, side], 0 to 1.

        Returns:
            float32 [n, classes].
        """
        logits: Tensor = self.out(self.drop(self.features(glyphs).flatten(1)))
        return logits
