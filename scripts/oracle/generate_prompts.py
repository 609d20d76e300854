"""Prompts for recorded `generate` calls: plain, chats, repeating, long, one token."""

TEXTS = {
    "greeting": "Hey! How are you doing?",
    "learning": "What is machine learning?",
    "llama": "Once upon a time there was a llama",
    "token": "Q: What is a token?\nA:",
    "push": "How do I push a model?",
    "joke": "Tell me a joke.",
    "beam": "What is beam search?",
    "water": "Why is the sky blue? Because",
    "list": "one two three one two three one two three one two",
    "cities": "The capital of France is Paris. The capital of Italy is Rome. The capital of France is",
    "repeat": "A llama is a llama is a llama is a",
    "accents": "Réponds en français, s'il te plaît : où est la gare ? 🦙",
    "code": "def add(a, b):\n    return a +",
    "bye": "Thank you, goodbye!",
    "who": "Who discovered penicillin?",
    "numbers": "1, 2, 3, 4, 5, 6,",
    "long": "The quick brown fox jumps over the lazy dog. A model is pushed, then it is called. " * 6
    + "In the end,",
}
CHATS = {
    "chat-agi": [{"role": "user", "content": "What even is AGI?"}],
    "chat-joke": [{"role": "user", "content": "Tell me a joke."}],
    "chat-push": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "How do I push a model?"},
    ],
    "chat-beam": [
        {"role": "user", "content": "Hello there!"},
        {"role": "assistant", "content": "Hello and welcome!"},
        {"role": "user", "content": "What is beam search?"},
    ],
    "chat-penicillin": [{"role": "user", "content": "Who discovered penicillin?"}],
    "chat-bye": [{"role": "user", "content": "Thank you, goodbye!"}],
    "chat-sky": [{"role": "user", "content": "Why is the sky blue?"}],
    "chat-token": [{"role": "user", "content": "What is a token?"}],
}


def build_prompts(tokenizer) -> dict[str, list[int]]:
    """Ids by name; `bos` is the single token that begins every text."""
    prompts = {name: tokenizer.encode(text, add_special_tokens=True) for name, text in TEXTS.items()}
    for name, messages in CHATS.items():
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prompts[name] = tokenizer.encode(text, add_special_tokens=False)
    return prompts | {"bos": [tokenizer.bos_token_id]}
