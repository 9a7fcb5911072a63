"""Photos without labels: how far a network is from another one on them."""

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2

from ..errors import DataError, first_line

_SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp', '.webp'}
_BATCH = 16
# Of ImageNet, with which torchvision's weights were trained.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def read_photos(folder: str, num: int, shape: tuple[int, ...]) -> Tensor:
    """Images of a folder and its folders, evenly spaced in their order.

    Each is resized and cropped in the middle, and normalised as ImageNet's.

    Args:
        folder: The folder.
        num: How many; fewer if there are fewer.
        shape: 3, height and width.

    Returns:
        ``[images, 3, height, width]``.

    Raises:
        DataError: If there is none, or one can't be read.
    """
    files = sorted(p for p in Path(folder).rglob('*') if p.suffix.lower() in _SUFFIXES)
    if not files:
        raise DataError(f'{folder}: no photo there: {", ".join(sorted(_SUFFIXES))}')
    num = min(num, len(files))
    height, width = shape[1:]
    prepare = v2.Compose(
        [
            v2.Resize(round(max(height, width) * 8 / 7)),
            v2.CenterCrop((height, width)),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(_MEAN, _STD),
        ]
    )
    images = []
    for i in range(num):
        path = files[i * len(files) // num]
        try:
            with Image.open(path) as image:
                images.append(prepare(image.convert('RGB')))
        except OSError as error:
            raise DataError(f"{path} can't be read ({first_line(error)})") from error
    return torch.stack(images)


def agreement(model: nn.Module, photos: Tensor) -> Callable[[nn.Module], float]:
    """How close a classifier's predictions are to those of this one.

    Returns:
        A function of a model: minus the Kullback-Leibler divergence from
        the given one's predictions, a mean over the photos; 0 is the same.
    """

    @torch.no_grad()
    def predict(net: nn.Module) -> Tensor:
        return torch.cat([net(x).log_softmax(1) for x in photos.split(_BATCH)])

    expected = predict(model.eval())

    def score(net: nn.Module) -> float:
        found = predict(net)
        return -F.kl_div(found, expected, reduction='batchmean', log_target=True).item()

    return score
