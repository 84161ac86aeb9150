"""HTTP in our own words: what a request and a reply are, without any framework."""
