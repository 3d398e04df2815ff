"""What a run reads: finding and checking checkpoints and corpora, without torch.

What this room knows of a checkpoint comes from its config.json and its safetensors headers.
"""
