"""Training on the middle blocks of CLIP's image tower: views, features, heads, thresholds, gate, export."""
