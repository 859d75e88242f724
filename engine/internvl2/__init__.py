"""InternVL2 in this process: the authors' checkpoints in transformers' own classes, without remote code.

`load.load` gives the model, its tokenizer and its prompt strings; `python -m engine.internvl2.verify` compares
all three with what the authors' code computed. `scorer` judges windows with it: `scoring` says what is asked,
`reading` does the passes, and `plain` is what these are held against. This is the one place in the engine that reads
a user's files, and only those of the checkpoint's folder: no network, no pickle, no code from the folder. Needs the
`vlm` extra, except for `files`, `config`, `prompt`, `scoring` and `tree`; importing this package alone imports none
of it.
"""
