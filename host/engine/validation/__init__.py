"""Everything that is wrong with a prompt, found before anything of it runs."""
