"""The contracts as readers and writers depend on them."""
