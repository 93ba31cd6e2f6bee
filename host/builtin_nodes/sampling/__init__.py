"""Sampling: noise levels, schedules, samplers, guidance and the loop that ties them together."""
