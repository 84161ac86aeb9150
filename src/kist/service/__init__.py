"""The verbs: the use cases. Sees model, ports and errors, and awaits nothing but ports."""
