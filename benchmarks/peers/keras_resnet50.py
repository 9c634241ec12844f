"""ResNet50 at 224 px in Keras on tensorflow-cpu, as in the reference systems: keras_resnet50.py FILE..."""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

base = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(224, 224, 3), pooling="avg")
net = keras.Sequential([base, keras.layers.Dense(256, "relu"), keras.layers.Dense(2, "softmax")])
for start in range(1, len(sys.argv), 32):
    paths = sys.argv[start : start + 32]
    loaded = [keras.utils.load_img(path, target_size=(224, 224)) for path in paths]
    batch = keras.applications.resnet50.preprocess_input(
        np.stack([keras.utils.img_to_array(image) for image in loaded])
    )
    for path, scores in zip(paths, net.predict(batch, verbose=0), strict=True):
        print(path, float(scores[1]))
