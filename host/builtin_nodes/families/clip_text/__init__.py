"""CLIP text encoders inside model files or alone: the layouts of transformers, of OpenAI and of OpenCLIP; LongCLIP."""
