"""A walk through a maze, frame by frame, with any image on its walls."""
