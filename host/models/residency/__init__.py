"""Modules on devices: who is where, how many bytes that takes, and who leaves when room is needed."""
