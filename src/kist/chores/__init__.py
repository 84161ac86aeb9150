"""Short repeated duties, one per file, and the schedule on which they run."""
