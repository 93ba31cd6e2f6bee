"""Style networks: an image, as an image encoder sees it, becomes tokens beside those of the prompt."""
