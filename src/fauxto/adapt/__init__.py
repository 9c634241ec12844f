"""A bundle that learns a generator from a few images: an addition on its own features, without torch."""
