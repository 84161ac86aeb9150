"""Where rows are kept: one file or folder per URL scheme, and the SQL that the database ones share."""
