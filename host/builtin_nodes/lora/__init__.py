"""LoRA and the other ways of storing a change to a model's weights, and the nodes that apply them."""
