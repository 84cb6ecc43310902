"""On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures, arXiv 2410.11778."""
