"""Precisions: one small file a family, each with two functions over the same levels.

`prepare(model, record, device)` turns a structural copy of the base model into the scored one, with the library's real
modules. `matrix(weight, record)` says for one weight matrix what the quantizer makes of it and where its zero bin is.
`lm_head` and embeddings stay full, as the libraries leave them.
"""
