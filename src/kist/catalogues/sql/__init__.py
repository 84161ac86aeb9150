"""One schema, one set of queries and numbered migrations, for every SQL database that a runner is written for."""
