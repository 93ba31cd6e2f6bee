"""One report per job: which nodes ran and for how long, which models were loaded, what failed."""
