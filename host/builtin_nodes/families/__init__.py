"""Model families: what files of each kind of model look like, and how they become modules that nodes can use.

A folder that registers a family (``sd1``, ``kl_vae``) is a plugin; the others hold what several families share.
"""
