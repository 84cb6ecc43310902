"""In-context learning of nonlinear tasks on structured features, arXiv 2507.20443."""
