"""Chooses versions. Pure: an index and facts about the host go in, a choice or the reasons against one come out."""
