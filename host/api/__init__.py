"""The web API: ComfyUI's routes and websocket, our own additions, and the front end's files."""
