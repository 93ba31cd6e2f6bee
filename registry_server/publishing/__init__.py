"""How a version gets in: announced, received, examined, released."""
