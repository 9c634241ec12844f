"""ResNet50 at 224 px in onnxruntime: python onnxruntime_resnet50.py MODEL.onnx FILE...

Files are decoded and run in batches of 32, with onnxruntime's default of as many threads as there are cores.
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
mean, std = np.array([0.485, 0.456, 0.406], "f4"), np.array([0.229, 0.224, 0.225], "f4")
for start in range(2, len(sys.argv), 32):
    paths = sys.argv[start : start + 32]
    squares = [np.asarray(Image.open(path).convert("RGB").resize((224, 224))) for path in paths]
    batch = ((np.stack(squares).astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2)
    logits = session.run(None, {"image": np.ascontiguousarray(batch)})[0]
    for path, logit in zip(paths, logits.reshape(-1), strict=True):
        print(path, float(1 / (1 + np.exp(-logit))))
