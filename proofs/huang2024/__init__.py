"""In-Context Convergence of Transformers, arXiv 2310.05249."""
