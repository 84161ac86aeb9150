"""Folders and buckets in step: walk two trees in one order, decide, write the decision down, then act on it."""
