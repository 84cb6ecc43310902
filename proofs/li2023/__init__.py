"""The Closeness of In-Context Learning and Weight Shifting for Softmax Regression (arXiv 2304.13276)."""
