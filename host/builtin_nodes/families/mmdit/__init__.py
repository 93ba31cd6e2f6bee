"""What transformers over image and text tokens share (Esser et al. 2024, "Scaling Rectified Flow Transformers")."""
