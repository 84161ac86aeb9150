"""Who holds the bytes: one module or package per scheme of a store's URL."""
