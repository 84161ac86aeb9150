"""The older app's two migrations by their names, and the one that joins its rows with Kist's."""
