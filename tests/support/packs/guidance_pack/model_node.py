"""What the pack's nodes have in common: a model and a number go in, a model comes out."""


class ModelNode:
    RETURN_TYPES = ("MODEL",)
    FUNCTION = "patch"
    CATEGORY = "guidance"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "amount": ("FLOAT", {"default": 1.0, "step": 0.01})}}
