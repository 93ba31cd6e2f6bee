"""Files in, images on: downloads, frames of videos, folders of images."""
