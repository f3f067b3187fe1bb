"""The networks: `three_stage` (ours) and `tshrnet` (the paper's), each once per framework."""

EXTRAS = {"torch": ("PyTorch", "train"), "mindspore": ("MindSpore", "mindspore")}
"""What the frameworks are called, and the extra that brings each."""
