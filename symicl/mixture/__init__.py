"""In-context classification of Gaussian mixtures at exact data: values, minimiser, expansion, training, inference."""
