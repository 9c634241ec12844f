"""Aligned pairs: photographs beside what an autoencoder makes of them, alike in everything but the traces.

Needs torch (`pip install 'fauxto[train]'`); nothing else in `fauxto.data` does: import it where it is used.
The idea is that of DRCT, B-Free, DDA and Aligned Datasets: where content, crop and file format agree on both
sides, a model can only learn what the decoder leaves behind.
"""
