"""fauxto: was this image made by a generative model, how strongly does what speak for it, and who cannot tell."""
