"""Claims: statements with the verdict they are expected to get, and what decides them."""
