"""Training: recipes, nets, the loop, and the export to a bundle. Needs the extra `train`."""

from fauxto.train.torchvision_operators import declare_missing

declare_missing()  # before anything here imports torchmetrics or timm, which import torchvision
