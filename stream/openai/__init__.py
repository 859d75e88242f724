"""The `openai` scorer: a vision-language model behind an OpenAI-compatible server, on other GPUs or other machines.

`scorer` is what the rest of Vigil sees. `chat` asks questions and reads likelihoods, `pool` finds a server that
answers, `server` talks to one. Needs the extra `openai`.
"""
