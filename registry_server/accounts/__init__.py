"""Publishers, their members, tokens, and trusted publishing."""
