"""The text encoder T5 v1.1 (Raffel et al. 2020; Shazeer 2020) of any size."""
