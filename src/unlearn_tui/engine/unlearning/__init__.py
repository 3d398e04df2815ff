"""Unlearning: objectives as pure functions of tensors, update rounding, AdamW, data, the training loop."""
