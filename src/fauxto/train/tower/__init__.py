"""Training on the middle blocks of CLIP's image tower: views, features, heads, tuning, export."""
