"""The client's commands. Each is imported when it is called; what it needs, inside the functions."""
