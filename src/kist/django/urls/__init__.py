"""URL confs to include: one for each contract, and one for the signed URLs of files that are kept on disk."""
