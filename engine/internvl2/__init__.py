"""InternVL2 in this process: the authors' checkpoints in transformers' own classes, without remote code.

`load.load` gives the model, its tokenizer and its prompt strings; `python -m engine.internvl2.verify` compares
all three with what the authors' code computed. `scorer` judges windows with it and `explainer` writes of them:
`engine.scoring` says what is asked, `reading` does the passes, and `plain` is what these are held against. Of a user's
files it reads those of the checkpoint's folder alone: no network, no pickle, no code from the folder. Needs the `vlm`
extra, except for `files`, `config`, `prompt` and `tree`; importing this package alone imports none of it.
"""
