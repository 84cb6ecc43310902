"""One file for each way of deciding a statement."""
