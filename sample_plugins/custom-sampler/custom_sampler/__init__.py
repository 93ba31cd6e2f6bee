"""Two samplers and a noise schedule, registered through hooks."""
