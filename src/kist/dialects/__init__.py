"""One wire contract per module, each with its ``DIALECT``. A dialect knows no framework and no other dialect."""
