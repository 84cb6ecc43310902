"""A softmax layer is one step of normalised gradient descent (arXiv 2605.06609)."""
